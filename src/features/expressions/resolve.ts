import { didYouMean, joined } from '../../core/errors.js';
import {
  DEFINITIONS,
  FUNCTIONS,
  isNameIn,
  OPERATORS,
  TEXT_OPERATORS,
  type FunctionName,
  type Type,
} from './functions.js';
import { ExpressionError, type Call, type Expression } from './parse.js';

/** An expression whose parts all have a type. */
export type TypedExpression =
  | { readonly kind: 'constant'; readonly value: number | string }
  | { readonly kind: 'column'; readonly type: Type; readonly name: string }
  | TypedLookup
  | { readonly kind: 'call'; readonly name: FunctionName; readonly args: readonly TypedExpression[] };

/** A column of a side table, in the row of a key. */
export interface TypedLookup {
  readonly kind: 'lookup';
  readonly type: Type;
  readonly table: string;
  readonly column: string;
  readonly key: TypedExpression;
}

/** The function that reads a side table: its result has the type of its place, as the result of a column has. */
export const LOOKUP = 'lookup';

/**
 * Resolves columns and functions to columns and functions of a type.
 * @throws ExpressionError
 */
export function resolveAs(type: Type, expression: Expression): TypedExpression {
  const { kind, at } = expression;
  if (kind === 'column') return { kind, type, name: expression.name };
  if (kind === 'call' && expression.name === LOOKUP) return resolveLookup(type, expression);
  const own = kind === 'call' ? 'number' : kind;
  if (own !== type) {
    const found = kind === 'call' ? `the number of ${expression.name}` : `${own} ${JSON.stringify(expression.value)}`;
    throw new ExpressionError(at, `expected ${NOUNS[type]}, found ${found}`);
  }
  return kind === 'call' ? resolveCall(expression) : { kind: 'constant', value: expression.value };
}

const NOUNS: Readonly<Record<Type, string>> = {
  number: 'a number',
  text: 'a string',
  date: 'a column of dates',
  bag: 'a column of lists',
};

/**
 * Resolves a lookup.
 * @throws ExpressionError
 */
export function resolveLookup(type: Type, { at, args }: Call): TypedLookup {
  const [place, key] = args;
  const [, table, column] = (place?.kind === 'column' && /^([^.]+)\.(.+)$/s.exec(place.name)) || [];
  if (table === undefined || column === undefined || key === undefined || args.length > 2)
    throw new ExpressionError(at, 'lookup expects a column of a table and a key, as in lookup(items.price, item_id)');
  return { kind: LOOKUP, type, table, column, key: resolveAs('text', key) };
}

function resolveCall({ at, name, args }: Call): TypedExpression {
  const found = findFunction(at, name, args);
  const { parameters, isVariadic } = DEFINITIONS[found];
  const isFewer = args.length < parameters.length;
  if (isFewer || (args.length > parameters.length && !isVariadic))
    throw new ExpressionError(
      at,
      `${name} expects ${isVariadic ? 'at least ' : ''}${parameters.length} arguments, found ${args.length}`,
    );
  return {
    kind: 'call',
    name: found,
    args: args.map((each, i) => resolveAs(parameters[i] ?? parameters.at(-1)!, each)),
  };
}

function findFunction(at: number, name: string, args: readonly Expression[]): FunctionName {
  const ofTexts = `text ${name}`;
  if (args.some(({ kind }) => kind === 'text') && isNameIn(TEXT_OPERATORS, ofTexts)) return ofTexts;
  if (isNameIn(OPERATORS, name) || isNameIn(FUNCTIONS, name)) return name;
  const names = [...Object.keys(FUNCTIONS), LOOKUP];
  throw new ExpressionError(
    at,
    joined(`unknown function '${name}'`, didYouMean(name, names) ?? `use one of ${names.join(', ')}`),
  );
}

/** Lists the data columns of an expression. */
export function listColumns(expression: TypedExpression): readonly string[] {
  if (expression.kind === 'column') return [expression.name];
  if (expression.kind === LOOKUP) return listColumns(expression.key);
  return expression.kind === 'call' ? expression.args.flatMap(listColumns) : [];
}

/** Lists the lookups of an expression; lookups of a key come before the lookup that uses it. */
export function listLookups(expression: TypedExpression): readonly TypedLookup[] {
  if (expression.kind === LOOKUP) return [...listLookups(expression.key), expression];
  return expression.kind === 'call' ? expression.args.flatMap(listLookups) : [];
}
