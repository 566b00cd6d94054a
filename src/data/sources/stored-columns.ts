import type { Chunk } from '../../chunks/chunk.js';
import type { Column } from '../../chunks/column.js';
import { userError } from '../../core/errors.js';
import { withColumns, type ChunkColumns, type ColumnNames } from '../computed/chunk-columns.js';
import { StoredValues } from '../computed/stored-values.js';
import type { Paths } from '../options.js';
import { openShards, type Shards } from '../shards/reader.js';
import type { CellPart } from './cell-part.js';
import type { ComputedColumns } from './computed-columns.js';

/** Files whose computed values are stored together. */
export interface StoredPart {
  readonly part: CellPart;
  /** Key of everything that determines the values; empty before they are computed. */
  content: string;
  /** Directory with the values. */
  folder: string;
}

/**
 * Creates a column from the values of a chunk.
 * @param line number of the first line of the chunk
 */
export type CreateColumn = (values: Float32Array, chunk: Chunk, line: number) => Column;

/** How stored values are computed and used. */
export interface StoredOptions {
  /** Computes the values of all parts. */
  readonly prepare: ComputedColumns['prepare'];
  /** Returns a function that creates a column from the values of a chunk of a file. */
  readonly columnsOf: (path: string, stored: StoredPart) => Promise<CreateColumn>;
}

/** Returns the columns of the files of one split, whose values are stored part by part. */
export function storedValueColumns(
  columns: ColumnNames,
  parts: readonly StoredPart[],
  { prepare, columnsOf }: StoredOptions,
): ComputedColumns {
  const shards = new Map<StoredPart, Promise<Shards | undefined>>();
  const openValues = async (path: string): Promise<ChunkColumns> => {
    const { stored, file } = findPart(parts, path);
    const opened = shards.get(stored) ?? openShards(stored.folder);
    shards.set(stored, opened);
    // It existed when the values were computed.
    const values = new StoredValues(path, (await opened)!, columns.names, file);
    const columnOf = await columnsOf(path, stored);
    return {
      next: async (chunk, line) => (await values.next(chunk)).map((own) => columnOf(own, chunk, line)),
      end: () => values.end(),
    };
  };
  return {
    names: columns.names,
    inputs: () => [],
    prepare,
    keyOf: (path) => findPart(parts, path).stored.content,
    wrap: (rows) => withColumns(rows, columns, () => openValues(rows.csv.path)),
  };
}

function findPart(parts: readonly StoredPart[], path: string): { readonly stored: StoredPart; readonly file: number } {
  for (const stored of parts) {
    const file = stored.part.files.findIndex((each) => each.path === path);
    if (file >= 0) return { stored, file };
  }
  throw new Error(`${path} has no computed columns`);
}

/**
 * Rejects shards, whose rows have no raw values to compute columns from.
 * @param key of the config that requires them
 * @throws UserError (data)
 */
export async function refuseShards(paths: Paths, key: string): Promise<void> {
  for (const path of [paths].flat())
    if ((await openShards(path)) !== undefined)
      throw userError('data', {
        where: path,
        key,
        message: 'does not apply to a directory of shards, whose rows are already encoded',
        fix: `use the files that the shards were made from, or remove ${key}`,
      });
}
