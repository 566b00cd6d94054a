import { ChunkRows, type Chunk } from '../chunks/chunk.js';
import type { Column, Lists } from '../chunks/column.js';
import { textReader } from '../chunks/encode-texts.js';
import { createCleaner, type CellOptions } from './cells.js';
import type { Computed, ComputedOutputs, Field, NamedValues } from './feature.js';
import type { LookupTables } from './lookups.js';

/** Computes all outputs for the rows of a chunk. Rows with invalid values of the sources are refused. */
export type Compute = (rows: ChunkRows, cells: CellOptions, tables: LookupTables) => NamedValues;

/** Returns a function that computes the outputs of a chunk once. */
export function computeOnce(compute: Compute): Computed['compute'] {
  const known = new WeakMap<Chunk, ComputedOutputs>();
  return (chunk, cells, tables) => {
    const found = known.get(chunk);
    if (found !== undefined) return found;
    const rows = new ChunkRows(chunk);
    const outputs = compute(rows, cells, tables);
    const results = { outputs, problems: rows.problems() };
    known.set(chunk, results);
    return results;
  };
}

/** Returns the distinct columns that a computation reads. */
export function sourceColumns({ sources }: Pick<Computed, 'sources'>): readonly string[] {
  return [...new Set(sources.map(({ name }) => name))];
}

/** Returns fields that read a computed number in place of a column of that name. */
export function computedFields(fields: readonly Field[], computed: Computed): readonly Field[] {
  const columns = sourceColumns(computed);
  const of = (description: string): string => `${description} of ${computed.meaning}`;
  return fields.map((field): Field => ({
    ...field,
    columns,
    computed,
    encodedAs: of(field.encodedAs),
    meaning: of(field.meaning),
  }));
}

const NO_TABLES: LookupTables = new Map();

/**
 * Returns the field as its kind reads it, and a function that adds the column it reads to a chunk, if that column is
 * computed.
 */
export function readableField<Of extends Field>(
  field: Of,
): { readonly field: Of; readonly prepare: ((rows: ChunkRows) => void) | undefined } {
  const { computed, columns, cells = {}, tables = NO_TABLES } = field;
  if (computed === undefined) return { field, prepare: undefined };
  const { compute, output, meaning, itemsOf } = computed;
  const shown =
    itemsOf === undefined ? { columns, place: `from ${meaning}` } : { columns: [itemsOf], place: 'in every item' };
  // No data column has such a name.
  const name = `\u001f${field.name}`;
  const prepare = (rows: ChunkRows): void => {
    const { outputs, problems } = compute(rows.chunk, cells, tables);
    for (const [row, problem] of problems) rows.refuse(row, problem.columns, problem.error);
    const values = outputs.get(output)!;
    rows.addComputed(name, values instanceof Float64Array ? numberColumn(values) : values, shown);
  };
  return { field: { ...field, columns: [name] }, prepare };
}

/** Returns a column of lists. */
export function listColumn(lists: Lists): Column {
  return { type: 'list', text: () => '', lists };
}

/** Returns a column of numbers; NaN is a missing value. */
export function numberColumn(values: Float64Array): Column {
  const text = (row: number): string => (Number.isNaN(values[row]!) ? '' : String(values[row]));
  return { type: 'number', text, numbers: { values, isWhole: true } };
}

/** Returns a column of numbers that are computed if they are read. */
export function lazyNumbers(compute: () => Float64Array): Column {
  let known: Column | undefined;
  const get = (): Column => (known ??= numberColumn(compute()));
  const column: Column = { type: 'number', text: (row) => get().text(row) };
  return Object.defineProperty(column, 'numbers', { enumerable: true, get: () => get().numbers });
}

/** Reads the cleaned texts of a column; rows with lists are refused. */
export function readTexts(rows: ChunkRows, name: string, cells: CellOptions): readonly string[] {
  const clean = createCleaner(cells);
  const text = textReader(rows, { columns: [name] });
  const texts = new Array<string>(rows.count).fill('');
  rows.eachKept([name], (row) => (texts[row] = clean === undefined ? text(row) : clean(text(row))));
  return texts;
}
