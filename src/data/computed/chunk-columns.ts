import type { Chunk } from '../../chunks/chunk.js';
import type { Column } from '../../chunks/column.js';
import { quoted, userError } from '../../core/errors.js';
import { readChunks } from '../pipeline.js';
import type { CellFile, FileColumns, RowSource } from '../readers/cell-file.js';

/** Computed columns for the rows of a file, chunk by chunk. */
export interface ChunkColumns {
  /**
   * Returns the columns for the rows of a chunk, valid until the next call.
   * @param line number of the first line of the chunk
   */
  next(chunk: Chunk, line: number): Promise<readonly Column[]>;
  /** Checks that all rows had values. */
  end(): void;
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
 * Adds computed columns to a file.
 * @param open returns the columns for a read from the first row
 * @throws UserError (data) for a file with a column of the same name
 */
export function withColumns(
  rows: RowSource<CellFile>,
  computedNames: ColumnNames,
  open: () => Promise<ChunkColumns>,
): RowSource<CellFile> {
  const { csv, columns } = rows;
  const { names } = computedNames;
  checkNames({ ...columns, path: csv.path, header: csv.header }, computedNames);
  return {
    columns,
    csv: {
      ...csv,
      async *pieces() {
        const computed = await open();
        for await (const { chunk, line, progress } of readChunks([rows])) {
          const own = await computed.next(chunk, line);
          const added = names.map((name, i) => [name, own[i]!] as const);
          yield { ...chunk, columns: new Map([...chunk.columns, ...added]), progress };
        }
        computed.end();
      },
    },
  };
}
