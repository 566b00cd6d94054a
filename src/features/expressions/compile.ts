import { ChunkRows } from '../../chunks/chunk.js';
import type { Column, DictionaryValues } from '../../chunks/column.js';
import { emptyBlock } from '../../chunks/row-block.js';
import { readDate } from '../../text/dates.js';
import { InvalidValueError } from '../../text/invalid-value.js';
import { createCleaner, takesNumbers, type CellOptions } from '../cells.js';
import { readTexts, type Compute } from '../computed.js';
import type { Formula } from '../computed-rule.js';
import type { ListForm, Source } from '../feature.js';
import { listReading } from '../kinds/bag.js';
import { oneValueReader } from '../kinds/one-value.js';
import { lookupReader, lookupValues, type LookupColumn, type LookupTable, type LookupTables } from '../lookups.js';
import { parseNumber } from '../parse.js';
import { DEFINITIONS, type Read, type Type, type Values } from './functions.js';
import { ExpressionError, parseExpression } from './parse.js';
import { listColumns, LOOKUP, resolveAs, resolveLookup, type TypedExpression, type TypedLookup } from './resolve.js';

export interface CompiledExpression {
  /** Columns that it reads, in order of appearance. */
  readonly sources: readonly Source[];
  /** Columns of side tables that it reads. */
  readonly lookups: readonly LookupColumn[];
  readonly rule: Formula;
  readonly compute: Compute;
  /** Name of its output. */
  readonly output: string;
}

/** Name of the output of an expression. */
const VALUE = 'value';

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
  const expression = resolveAs('number', parseExpression(text));
  const result: Read = compileTyped(expression, slots);
  return {
    ...listSources(slots, form),
    rule: { kind: 'formula', holds: 'number', expression, form },
    compute(rows, cells, tables) {
      readSlots(slots, rows, cells, form, tables);
      const numbers = new Float64Array(rows.count);
      for (let row = 0; row < rows.count; row++) {
        const number = rows.isKept(row) ? result(row) : NaN;
        numbers[row] = Number.isFinite(Math.fround(number)) ? number : NaN;
      }
      return new Map([[VALUE, numbers]]);
    },
    output: VALUE,
  };
}

/**
 * Compiles a lookup of a text, as `compileExpression` compiles a number. Its output is a column.
 * @throws ExpressionError
 */
export function compileTextLookup(text: string): CompiledExpression {
  const parsed = parseExpression(text);
  if (parsed.kind !== 'call' || parsed.name !== LOOKUP)
    throw new ExpressionError(parsed.at, 'expected a text of a side table, as in lookup(items.brand, item_id)');
  const slots: Slot[] = [];
  const expression = resolveLookup('text', parsed);
  const { lookup } = addLookup(expression, slots);
  const keys = slots.slice(0, -1);
  let lookUp: ReturnType<typeof lookupReader> | undefined;
  let clean: ((values: DictionaryValues) => DictionaryValues) | undefined;
  return {
    ...listSources(slots, TEXT_FORM),
    rule: { kind: 'formula', holds: 'text', expression, form: TEXT_FORM },
    compute(rows, cells, tables) {
      readSlots(keys, rows, cells, TEXT_FORM, tables);
      lookUp ??= lookupReader(tableOf(lookup, tables), { column: lookup.column, isNumber: false });
      clean ??= cleanedValues(cells);
      const { indices, values } = lookUp(rows, lookup.keyOf);
      return new Map([[VALUE, textColumn(indices, clean(values))]]);
    },
    output: VALUE,
  };
}

/** Returns a function that cleans distinct texts; it returns the same object for the same texts, which readers know. */
function cleanedValues(cells: CellOptions): (values: DictionaryValues) => DictionaryValues {
  const clean = createCleaner(cells);
  const known = new WeakMap<DictionaryValues, DictionaryValues>();
  return (values) => {
    if (clean === undefined) return values;
    const found = known.get(values) ?? { size: values.size, text: (code: number) => clean(values.text(code)) };
    known.set(values, found);
    return found;
  };
}

/** Lists of a computation that reads none. */
const TEXT_FORM: ListForm = { items: '|', weight: ':', format: 'auto' };

/** Lists the columns that slots read, of the data and of side tables. */
function listSources(slots: readonly Slot[], form: ListForm): Pick<CompiledExpression, 'sources' | 'lookups'> {
  const sources = slots
    .filter(({ lookup }) => lookup === undefined)
    .map(({ name, type }): Source => {
      if (type === 'bag') return { name, holds: type, form };
      return { name, holds: type === 'number' ? type : 'text' };
    });
  const lookups = slots.flatMap(({ type, lookup }): readonly LookupColumn[] => {
    if (lookup === undefined) return [];
    const { table, column } = lookup;
    const check: LookupColumn['check'] = (rows, cells) => void createReader(type, column, cells, form)(rows);
    return [{ table, column, isNumber: type === 'number', check }];
  });
  return { sources, lookups };
}

/** Reads the values of all slots, in order: the values of keys come before the lookups that use them. */
function readSlots(
  slots: readonly Slot[],
  rows: ChunkRows,
  cells: CellOptions,
  form: ListForm,
  tables: LookupTables,
): void {
  for (const slot of slots) {
    slot.read ??= readerOf(slot, cells, form, tables);
    slot.values = slot.read(rows);
  }
}

/** Returns a function that reads the values of a slot; a lookup adds its column to the chunk before. */
function readerOf({ name, type, lookup }: Slot, cells: CellOptions, form: ListForm, tables: LookupTables): ReadValues {
  const read = createReader(type, name, cells, form);
  if (lookup === undefined) return read;
  const { table, column, keyOf, sources } = lookup;
  const lookUp = lookupReader(tableOf(lookup, tables), { column, isNumber: type === 'number' });
  return (rows) => {
    const { indices, values } = lookUp(rows, keyOf);
    rows.addComputed(name, textColumn(indices, values), { columns: sources, place: `from ${table}.${column}` });
    return read(rows);
  };
}

/** The distinct values of a column of a side table. */
export interface LookedUpValues<T extends Type> {
  /** Values in place of the texts of the file; the value of index 0 is missing. */
  readonly values: ArrayLike<Values[T]>;
  /** Index of the value of each key by its id; index 0 stands for an absent key. */
  readonly codes: Uint32Array;
}

/** Reads all values of a column of a side table, as a lookup of this type does. */
export function readLookedUp<T extends Type>(
  type: T,
  { column }: Pick<TypedLookup, 'column'>,
  table: LookupTable,
  cells: CellOptions,
  form: ListForm,
): LookedUpValues<T> {
  const { values, codes } = lookupValues(table, { column, isNumber: type === 'number' });
  const indices = Uint32Array.from({ length: values.size }, (_, index) => index);
  const columns = new Map([[column, textColumn(indices, values)]]);
  const rows = new ChunkRows({ rows: values.size, numLines: values.size, columns, cellsOf: () => [] });
  const read: ReadValues<T> = READERS[type](column, cells, form);
  return { values: read(rows), codes };
}

function tableOf({ table }: Pick<Lookup, 'table'>, tables: LookupTables): LookupTable {
  const found = tables.get(table);
  if (found === undefined) throw new Error(`the table '${table}' is not loaded`);
  return found;
}

function textColumn(indices: Uint32Array, values: DictionaryValues): Column {
  return { type: 'string', text: (row) => values.text(indices[row]!), dictionary: { indices, values } };
}

function compileTyped(expression: TypedExpression, slots: Slot[]): Read<never> {
  switch (expression.kind) {
    case 'column':
      return readSlot(expression, slots);
    case 'lookup':
      return readValues(addLookup(expression, slots));
    case 'call':
      return DEFINITIONS[expression.name].compile(
        expression.args.map((each) => compileTyped(each, slots)),
      ) as Read<never>;
    case 'constant': {
      const { value } = expression;
      return () => value as never;
    }
  }
}

function readSlot({ type, name }: Pick<Slot, 'type' | 'name'>, slots: Slot[]): Read<never> {
  return readValues(slots.find((each) => each.name === name && each.type === type) ?? addSlot({ name, type }, slots));
}

function addSlot<Own extends Omit<Slot, 'values'>>(slot: Own, slots: Slot[]): Own & Slot {
  const added = { ...slot, values: [] };
  slots.push(added);
  return added;
}

function readValues(slot: Slot): Read<never> {
  return (row) => slot.values[row] as never;
}

/** Adds the slot of a lookup after the slots of its key, so that their values are read before. */
function addLookup({ type, table, column, key }: TypedLookup, slots: Slot[]): Slot & { readonly lookup: Lookup } {
  // A key is resolved as a text.
  const keyOf = compileTyped(key, slots) as Read<'text'>;
  const lookup = { table, column, keyOf, sources: listColumns(key) };
  // No data column has such a name.
  return addSlot({ name: `\u001f${slots.length}`, type, lookup }, slots);
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
