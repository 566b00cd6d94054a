import { ChunkRows, type Chunk, type RowProblem } from '../chunks/chunk.js';
import type { Column } from '../chunks/column.js';
import type { CellOptions } from './cells.js';
import type { Field, ListForm } from './feature.js';

/** A data column that a computation reads. */
export type Source = { readonly name: string } & (
  { readonly holds: 'text' | 'number' } | { readonly holds: 'bag'; readonly form: ListForm }
);

/**
 * Computes numbers of the rows of a chunk, an array per output; NaN is a missing value. Rows with invalid values of the
 * sources are refused.
 */
export type Compute = (rows: ChunkRows, cells: CellOptions) => readonly Float64Array[];

/** Numbers of the rows of a chunk, and the rows whose sources are invalid. */
interface Results {
  readonly outputs: readonly Float64Array[];
  readonly problems: readonly (readonly [row: number, problem: RowProblem])[];
}

/** A number per row that is computed from data columns. */
export interface Computed {
  readonly sources: readonly Source[];
  /** Description of the computation: fields with another one cannot reuse its weights. */
  readonly meaning: string;
  /** Computes all outputs of a chunk, once for all fields that share this function. */
  readonly compute: (chunk: Chunk, cells: CellOptions) => Results;
  /** Index of the output. */
  readonly output: number;
}

/** Returns a function that computes the outputs of a chunk once. */
export function computeOnce(compute: Compute): Computed['compute'] {
  const known = new WeakMap<Chunk, Results>();
  return (chunk, cells) => {
    const found = known.get(chunk);
    if (found !== undefined) return found;
    const rows = new ChunkRows(chunk);
    const outputs = compute(rows, cells);
    const results = { outputs, problems: rows.problems() };
    known.set(chunk, results);
    return results;
  };
}

/** Returns fields that read a computed number in place of a column of that name. */
export function computedFields(fields: readonly Field[], computed: Computed): readonly Field[] {
  const columns = computed.sources.map(({ name }) => name);
  const of = (description: string): string => `${description} of ${computed.meaning}`;
  return fields.map((field): Field => ({
    ...field,
    columns,
    computed,
    encodedAs: of(field.encodedAs),
    meaning: of(field.meaning),
  }));
}

/**
 * Returns the field as its kind reads it, and a function that adds the column it reads to a chunk, if that column is
 * computed.
 */
export function readableField<Of extends Field>(
  field: Of,
): { readonly field: Of; readonly prepare: ((rows: ChunkRows) => void) | undefined } {
  const { computed, columns, cells = {} } = field;
  if (computed === undefined) return { field, prepare: undefined };
  const { compute, output } = computed;
  // No data column has such a name.
  const name = `\u001f${field.name}`;
  const prepare = (rows: ChunkRows): void => {
    const { outputs, problems } = compute(rows.chunk, cells);
    for (const [row, problem] of problems) rows.refuse(row, problem.columns, problem.error);
    rows.addComputed(name, numberColumn(outputs[output]!), columns);
  };
  return { field: { ...field, columns: [name] }, prepare };
}

function numberColumn(values: Float64Array): Column {
  const text = (row: number): string => (Number.isNaN(values[row]!) ? '' : String(values[row]));
  return { type: 'number', text, numbers: { values, isWhole: true } };
}
