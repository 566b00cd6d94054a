import type { Chunk } from '../../chunks/chunk.js';
import type { Column } from '../../chunks/column.js';
import { quoted, userError } from '../../core/errors.js';
import { readChunks } from '../pipeline.js';
import type { CellFile, FileColumns, RowSource } from '../readers/cell-file.js';
import type { RowCounter } from './row-counter.js';

/** The values of counters for the rows of a file, chunk by chunk. */
export interface ChunkValues {
  /**
   * Returns the values of each counter for the rows of a chunk, valid until the next call.
   * @param line number of the first line of the chunk
   */
  next(chunk: Chunk, line: number): Promise<readonly Float32Array[]>;
  /** Checks that all values were returned. */
  end(): void;
}

/** Values that are counted while a file is read. */
export class CountedValues implements ChunkValues {
  readonly #counter: RowCounter;
  readonly #file: FileColumns;

  constructor(counter: RowCounter, file: FileColumns) {
    this.#counter = counter;
    this.#file = file;
  }

  next(chunk: Chunk, line: number): Promise<readonly Float32Array[]> {
    return Promise.resolve(this.#counter.count(chunk, this.#file, line));
  }

  end(): void {}
}

/**
 * Adds counters to a file as columns of numbers.
 * @param open returns the values for a read from the first row
 * @throws UserError (data) for a file with a column of the same name
 */
export function withCounters(
  rows: RowSource<CellFile>,
  names: readonly string[],
  open: () => Promise<ChunkValues>,
): RowSource<CellFile> {
  const { csv, columns } = rows;
  for (const name of names)
    if (csv.header.includes(name) || columns.constants?.has(name) === true)
      throw userError('data', {
        where: csv.path,
        key: `column ${quoted(name)}`,
        message: 'has the name of a counter',
        fix: `rename data.counters.count.${name}`,
      });
  return {
    columns,
    csv: {
      ...csv,
      async *pieces() {
        const values = await open();
        for await (const { chunk, line, progress } of readChunks([rows])) {
          const own = await values.next(chunk, line);
          const added = names.map((name, i) => [name, counterColumn(own[i]!.subarray(0, chunk.rows))] as const);
          yield { ...chunk, columns: new Map([...chunk.columns, ...added]), progress };
        }
        values.end();
      },
    },
  };
}

/** Creates a column of counts; the text of NaN is no number, so that a field that reads it finds the row invalid. */
function counterColumn(values: Float32Array): Column {
  const text = (row: number): string => {
    const value = values[row]!;
    return Number.isNaN(value) ? 'unknown, since the time of the row is invalid' : String(value);
  };
  return { type: 'number', text, numbers: { values, isWhole: true } };
}
