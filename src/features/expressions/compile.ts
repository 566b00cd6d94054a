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
import { lookupReader, type LookupColumn, type LookupTables } from '../lookups.js';
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
  /** Columns of side tables that it reads. */
  readonly lookups: readonly LookupColumn[];
  readonly compute: Compute;
}

/** Values of a type that are read from a column. */
interface Slot {
  readonly name: string;
  readonly type: Type;
  /** How the column is looked up in a side table, if it is not one of the data. */
  readonly lookup?: Lookup;
  /** Reads the values of a chunk; created for the first one. */
  read?: (rows: ChunkRows) => ArrayLike<Values[Type]>;
  /** Values of the rows of the current chunk. */
  values: ArrayLike<Values[Type]>;
}

/** A column of a side table, for the keys of rows. */
interface Lookup {
  readonly table: string;
  readonly column: string;
  readonly keyOf: Read<'text'>;
  /** Columns that the key is computed from. */
  readonly sources: readonly string[];
}

/**
 * Compiles an expression to closures. All calls of `compute` must have the same cleaning and the same tables.
 * @throws ExpressionError
 */
export function compileExpression(text: string, form: ListForm): CompiledExpression {
  const slots: Slot[] = [];
  const result = compileAs('number', parseExpression(text), slots);
  return {
    sources: slots
      .filter(({ lookup }) => lookup === undefined)
      .map(({ name, type }): Source => {
        if (type === 'bag') return { name, holds: type, form };
        return { name, holds: type === 'number' ? type : 'text' };
      }),
    lookups: slots.flatMap(({ type, lookup }) => {
      if (lookup === undefined) return [];
      const { table, column } = lookup;
      return [
        {
          table,
          column,
          isNumber: type === 'number',
          check: (rows, cells) => void createReader(type, column, cells, form)(rows),
        },
      ];
    }),
    compute(rows, cells, tables) {
      for (const slot of slots) {
        slot.read ??= readerOf(slot, cells, form, tables);
        slot.values = slot.read(rows);
      }
      const numbers = new Float64Array(rows.count);
      for (let row = 0; row < rows.count; row++) {
        const number = rows.isKept(row) ? result(row) : NaN;
        numbers[row] = Number.isFinite(Math.fround(number)) ? number : NaN;
      }
      return [numbers];
    },
  };
}

/** Returns a function that reads the values of a slot; a lookup adds its column to the chunk before. */
function readerOf({ name, type, lookup }: Slot, cells: CellOptions, form: ListForm, tables: LookupTables): ReadValues {
  const read = createReader(type, name, cells, form);
  if (lookup === undefined) return read;
  const { table, column, keyOf, sources } = lookup;
  const found = tables.get(table);
  if (found === undefined) throw new Error(`the table '${table}' is not loaded`);
  const lookUp = lookupReader(found, { column, isNumber: type === 'number' });
  return (rows) => {
    rows.addComputed(name, lookUp(rows, keyOf), { columns: sources, place: `from ${table}.${column}` });
    return read(rows);
  };
}

function compileAs(type: Type, expression: Expression, slots: Slot[]): Read<never> {
  const { kind, at } = expression;
  if (kind === 'column') return readSlot(type, expression.name, slots);
  if (kind === 'call' && expression.name === LOOKUP) return compileLookup(type, expression, slots);
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
  return readValues(slots.find((each) => each.name === name && each.type === type) ?? addSlot({ name, type }, slots));
}

function addSlot(slot: Omit<Slot, 'values'>, slots: Slot[]): Slot {
  const added = { ...slot, values: [] };
  slots.push(added);
  return added;
}

function readValues(slot: Slot): Read<never> {
  return (row) => slot.values[row] as never;
}

/** The function that reads a side table: its result has the type of its place, as that of a column has. */
const LOOKUP = 'lookup';

function compileLookup(type: Type, { at, args }: Call, slots: Slot[]): Read<never> {
  const [place, key] = args;
  const [, table, column] = (place?.kind === 'column' && /^([^.]+)\.(.+)$/s.exec(place.name)) || [];
  if (table === undefined || column === undefined || key === undefined || args.length > 2)
    throw new ExpressionError(at, 'lookup expects a column of a table and a key, as in lookup(items.price, item_id)');
  // The slots of the key come first, so that their values are read before.
  const keyOf: Read<'text'> = compileAs('text', key, slots);
  const lookup = { table, column, keyOf, sources: listColumns(key) };
  // No data column has such a name.
  return readValues(addSlot({ name: `\u001f${slots.length}`, type, lookup }, slots));
}

/** Lists the data columns of an expression. */
function listColumns(expression: Expression): readonly string[] {
  if (expression.kind === 'column') return [expression.name];
  if (expression.kind !== 'call') return [];
  return expression.args.slice(expression.name === LOOKUP ? 1 : 0).flatMap(listColumns);
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
  const names = [...Object.keys(FUNCTIONS), LOOKUP];
  throw new ExpressionError(
    at,
    joined(`unknown function '${name}'`, didYouMean(name, names) ?? `use one of ${names.join(', ')}`),
  );
}

type ReadValues<T extends Type = Type> = (rows: ChunkRows) => ArrayLike<Values[T]>;
type CreateReader<T extends Type> = (name: string, cells: CellOptions, form: ListForm) => ReadValues<T>;

const NO_DATE = new InvalidValueError('a date such as 2026-11-01 or 2026-11-01T18:30');

/** Create readers of a column as a type; rows with invalid values are refused. */
const READERS: { readonly [T in Type]: CreateReader<T> } = {
  number(name, cells) {
    const clean = createCleaner(cells) ?? ((text: string) => text);
    const encode = (text: string): number => {
      const cleaned = clean(text);
      return cleaned === '' ? NaN : parseNumber(cleaned);
    };
    let values = new Float64Array(0);
    const direct = takesNumbers(cells, 'number') ? ({ cell: 'number' } as const) : undefined;
    const read = oneValueReader([name], { encode, direct, numberColumns: [name] }, () => values);
    return (rows) => {
      values = new Float64Array(rows.count);
      read(rows, emptyBlock());
      return values;
    };
  },
  text: (name, cells) => (rows) => readTexts(rows, name, cells),
  date: (name, cells) => (rows) => {
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
  bag(name, cells, form) {
    const reading = listReading(name, form, cells);
    return (rows) => {
      const { offsets, items } = reading.read(rows);
      return Array.from({ length: rows.count }, (_, row) => {
        const found = new Set<string>();
        for (let item = offsets[row]!; item < offsets[row + 1]!; item++) found.add(items.text(item));
        return found;
      });
    };
  },
};

function createReader(type: Type, name: string, cells: CellOptions, form: ListForm): ReadValues {
  return READERS[type](name, cells, form);
}
