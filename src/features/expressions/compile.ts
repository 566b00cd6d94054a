import type { ChunkRows } from '../../chunks/chunk.js';
import { emptyBlock } from '../../chunks/row-block.js';
import { didYouMean, joined } from '../../core/errors.js';
import { readDate } from '../../text/dates.js';
import { InvalidValueError } from '../../text/invalid-value.js';
import { createCleaner, takesNumbers, type CellOptions } from '../cells.js';
import { readTexts, type Compute } from '../computed.js';
import type { ListForm, Source } from '../feature.js';
import { listReading } from '../kinds/bag.js';
import { oneValueReader } from '../kinds/one-value.js';
import { parseNumber } from '../parse.js';
import {
  FUNCTIONS,
  OPERATORS,
  TEXT_OPERATORS,
  type ExpressionFunction,
  type Read,
  type Type,
  type Values,
} from './functions.js';
import { ExpressionError, parseExpression, type Call, type Expression } from './parse.js';

/** A compiled expression. */
export interface CompiledExpression {
  /** Columns that it reads, in order of appearance. */
  readonly sources: readonly Source[];
  readonly compute: Compute;
}

/** A column that is read as a type: `values` are those of the rows of the current chunk. */
interface Slot {
  readonly name: string;
  readonly type: Type;
  values: ArrayLike<Values[Type]>;
}

/**
 * Compiles an expression to closures.
 * @throws ExpressionError
 */
export function compileExpression(text: string, form: ListForm): CompiledExpression {
  const slots: Slot[] = [];
  const result = compileAs('number', parseExpression(text), slots);
  return {
    sources: slots.map(({ name, type }): Source => {
      if (type === 'bag') return { name, holds: type, form };
      return { name, holds: type === 'number' ? type : 'text' };
    }),
    compute(rows, cells) {
      for (const slot of slots) slot.values = READERS[slot.type](rows, slot.name, cells, form);
      const numbers = new Float64Array(rows.count);
      for (let row = 0; row < rows.count; row++) {
        const number = rows.isKept(row) ? result(row) : NaN;
        numbers[row] = Number.isFinite(Math.fround(number)) ? number : NaN;
      }
      return [numbers];
    },
  };
}

function compileAs(type: Type, expression: Expression, slots: Slot[]): Read<never> {
  const { kind, at } = expression;
  if (kind === 'column') return readSlot(type, expression.name, slots);
  const own = kind === 'call' ? 'number' : kind;
  if (own !== type) {
    const found = kind === 'call' ? `the number of ${expression.name}` : `${own} ${JSON.stringify(expression.value)}`;
    throw new ExpressionError(at, `expected ${NOUNS[type]}, found ${found}`);
  }
  if (kind === 'call') return compileCall(expression, slots) as Read<never>;
  const { value } = expression;
  return () => value as never;
}

const NOUNS: Readonly<Record<Type, string>> = {
  number: 'a number',
  text: 'a string',
  date: 'a column of dates',
  bag: 'a column of lists',
};

function readSlot(type: Type, name: string, slots: Slot[]): Read<never> {
  let slot = slots.find((each) => each.name === name && each.type === type);
  if (slot === undefined) slots.push((slot = { name, type, values: [] }));
  const found = slot;
  return (row) => found.values[row] as never;
}

function compileCall({ at, name, args }: Call, slots: Slot[]): Read {
  const { parameters, isVariadic, compile } = findFunction(at, name, args);
  const isFewer = args.length < parameters.length;
  if (isFewer || (args.length > parameters.length && !isVariadic))
    throw new ExpressionError(
      at,
      `${name} expects ${isVariadic ? 'at least ' : ''}${parameters.length} arguments, found ${args.length}`,
    );
  return compile(args.map((each, i) => compileAs(parameters[i] ?? parameters.at(-1)!, each, slots)));
}

function findFunction(at: number, name: string, args: readonly Expression[]): ExpressionFunction {
  const hasText = args.some(({ kind }) => kind === 'text');
  for (const table of [...(hasText ? [TEXT_OPERATORS] : []), OPERATORS, FUNCTIONS])
    if (Object.hasOwn(table, name)) return table[name]!;
  const names = Object.keys(FUNCTIONS);
  throw new ExpressionError(
    at,
    joined(`unknown function '${name}'`, didYouMean(name, names) ?? `use one of ${names.join(', ')}`),
  );
}

type ReadColumn<T extends Type> = (
  rows: ChunkRows,
  name: string,
  cells: CellOptions,
  form: ListForm,
) => ArrayLike<Values[T]>;

const NO_DATE = new InvalidValueError('a date such as 2026-11-01 or 2026-11-01T18:30');

/** Read a column as a type; rows with invalid values are refused. */
const READERS: { readonly [T in Type]: ReadColumn<T> } = {
  number(rows, name, cells) {
    const clean = createCleaner(cells) ?? ((text: string) => text);
    const encode = (text: string): number => {
      const cleaned = clean(text);
      return cleaned === '' ? NaN : parseNumber(cleaned);
    };
    const values = new Float64Array(rows.count);
    const direct = takesNumbers(cells, 'number') ? ({ cell: 'number' } as const) : undefined;
    oneValueReader([name], { encode, direct, numberColumns: [name] }, () => values)(rows, emptyBlock());
    return values;
  },
  text: readTexts,
  date(rows, name, cells) {
    const texts = readTexts(rows, name, cells);
    const values = new Float64Array(rows.count).fill(NaN);
    rows.eachKept([name], (row) => {
      const text = texts[row]!;
      if (text === '') return;
      const date = readDate(text);
      if (date === undefined) throw NO_DATE;
      values[row] = date.begin;
    });
    return values;
  },
  bag(rows, name, cells, form) {
    const { offsets, items } = listReading(name, form, cells).read(rows);
    return Array.from({ length: rows.count }, (_, row) => {
      const found = new Set<string>();
      for (let item = offsets[row]!; item < offsets[row + 1]!; item++) found.add(items.text(item));
      return found;
    });
  },
};
