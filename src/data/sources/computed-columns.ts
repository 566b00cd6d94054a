import type { Chunk } from '../../chunks/chunk.js';
import type { Column } from '../../chunks/column.js';
import { quoted, userError } from '../../core/errors.js';
import type { Paths, Split } from '../options.js';
import { readChunks } from '../pipeline.js';
import type { CellFile, FileColumns, RowSource } from '../readers/cell-file.js';
import { makeKey } from '../readers/fingerprint.js';
import type { Reading } from './source.js';

/** Columns that are computed for the files of a source. */
export interface ComputedColumns {
  readonly names: readonly string[];
  /** Returns the columns that are read from a file with this header to compute them while the file is encoded. */
  inputs(header: readonly string[]): readonly string[];
  /** Computes all rows up to the last one of the source, unless that is done while they are encoded. */
  prepare(reading: Reading): Promise<void>;
  /** Returns a key of everything that determines the columns of a file, after `prepare`. */
  keyOf(path: string): string;
  /** @throws UserError (data) for a file with a column of the same name */
  wrap(rows: RowSource<CellFile>): RowSource<CellFile>;
}

/**
 * Returns the computed columns of a split; undefined if it has none.
 * @throws UserError (data) for files that cannot be read, or are shards
 */
export type ComputeColumns = (paths: Paths, split: Split) => Promise<ComputedColumns | undefined>;

/** Computes the columns of several computations. */
export function joinComputed(all: readonly (ComputeColumns | undefined)[]): ComputeColumns {
  return async (paths, split) => {
    const found: ComputedColumns[] = [];
    for (const compute of all) {
      const columns = await compute?.(paths, split);
      if (columns !== undefined) found.push(columns);
    }
    return found.length > 1 ? joined(found) : found[0];
  };
}

function joined(all: readonly ComputedColumns[]): ComputedColumns {
  return {
    names: all.flatMap(({ names }) => names),
    inputs: (header) => all.flatMap((each) => each.inputs(header)),
    async prepare(reading) {
      for (const each of all) await each.prepare(reading);
    },
    keyOf: (path) => makeKey(...all.map((each) => each.keyOf(path))),
    wrap: (rows) => all.reduce((wrapped, each) => each.wrap(wrapped), rows),
  };
}

/** Computed columns for the rows of a file, chunk by chunk. */
export interface ChunkColumns {
  /**
   * Returns the columns for the rows of a chunk, valid until the next call.
   * @param line number of the first line of the chunk
   */
  next(chunk: Chunk, line: number): readonly Column[] | Promise<readonly Column[]>;
  /** Checks that all rows had values. */
  end?(): Promise<void>;
}

/** Names of computed columns. */
export interface ColumnNames {
  readonly names: readonly string[];
  /** Their origin, for a file with a column of the same name. */
  readonly origin: string;
  /** Returns the fix for such a file. */
  renaming(name: string): string;
}

/**
 * Checks that a file has no column with the name of a computed one.
 * @throws UserError (data)
 */
export function checkNames(
  { path, header, constants }: Pick<FileColumns, 'path' | 'header' | 'constants'>,
  { names, origin, renaming }: ColumnNames,
): void {
  for (const name of names)
    if (header.includes(name) || constants?.has(name) === true)
      throw userError('data', {
        where: path,
        key: `column ${quoted(name)}`,
        message: `has the name of ${origin}`,
        fix: renaming(name),
      });
}

/**
 * Creates computed columns.
 * @param open returns the columns of a file for a read from the first row
 * @param own methods of columns that depend on other columns, are computed before the read, or have a key
 */
export function computedColumns(
  columnNames: ColumnNames,
  open: (rows: RowSource<CellFile>) => ChunkColumns | Promise<ChunkColumns>,
  own: Partial<Pick<ComputedColumns, 'inputs' | 'prepare' | 'keyOf'>> = {},
): ComputedColumns {
  const { names } = columnNames;
  return {
    names,
    inputs: () => [],
    prepare: () => Promise.resolve(),
    keyOf: () => '',
    ...own,
    wrap(rows) {
      const { csv, columns } = rows;
      checkNames({ ...columns, path: csv.path, header: csv.header }, columnNames);
      async function* pieces(): ReturnType<CellFile['pieces']> {
        const computed = await open(rows);
        for await (const { chunk, line, progress } of readChunks([rows])) {
          const found = await computed.next(chunk, line);
          const added = names.map((name, i) => [name, found[i]!] as const);
          yield { ...chunk, columns: new Map([...chunk.columns, ...added]), progress };
        }
        await computed.end?.();
      }
      return { columns, csv: { ...csv, pieces } };
    },
  };
}
