import type { Chunk } from '../../chunks/chunk.js';
import type { Column } from '../../chunks/column.js';
import type { ColumnNames } from '../computed/computed-columns.js';

/** Returns the names of counters as those of columns. */
export function counterNames(names: readonly string[]): ColumnNames {
  return { names, origin: 'a counter', renaming: (name) => `rename data.counters.count.${name}` };
}

/** Creates a column of counts; the text of NaN is no number, so that a field that reads it finds the row invalid. */
export function counterColumn(all: Float32Array, { rows }: Chunk): Column {
  const values = all.subarray(0, rows);
  const text = (row: number): string => {
    const value = values[row]!;
    return Number.isNaN(value) ? 'unknown, since the time of the row is invalid' : String(value);
  };
  return { type: 'number', text, numbers: { values, isWhole: true } };
}
