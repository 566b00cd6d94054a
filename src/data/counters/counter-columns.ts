import type { Chunk } from '../../chunks/chunk.js';
import type { Column } from '../../chunks/column.js';
import type { ChunkColumns, ColumnNames } from '../computed/chunk-columns.js';
import type { FileColumns } from '../readers/cell-file.js';
import type { RowCounter } from './row-counter.js';

/** Counters that are counted while a file is read. */
export class CountedColumns implements ChunkColumns {
  readonly #counter: RowCounter;
  readonly #file: FileColumns;

  constructor(counter: RowCounter, file: FileColumns) {
    this.#counter = counter;
    this.#file = file;
  }

  next(chunk: Chunk, line: number): Promise<readonly Column[]> {
    return Promise.resolve(this.#counter.count(chunk, this.#file, line).map((values) => counterColumn(values, chunk)));
  }

  end(): void {}
}

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
