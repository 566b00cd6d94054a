import type { Chunk } from '../../chunks/chunk.js';
import type { Column } from '../../chunks/column.js';
import { userError } from '../../core/errors.js';
import { withColumns, type ColumnNames } from '../computed/chunk-columns.js';
import { StoredValues } from '../computed/stored-values.js';
import type { Paths } from '../options.js';
import type { CellFile, RowSource } from '../readers/cell-file.js';
import { openShards, type Shards } from '../shards/reader.js';
import type { CellPart } from './cell-part.js';
import type { ComputedColumns } from './computed-columns.js';
import type { Reading } from './source.js';

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
  prepare(reading: Reading): Promise<void>;
  /** Returns a function that creates a column from the values of a chunk of a file. */
  columnsOf(path: string, stored: StoredPart): Promise<CreateColumn>;
}

/** Columns of the files of one split, whose values are stored part by part. */
export class StoredColumns implements ComputedColumns {
  readonly names: readonly string[];
  readonly #columns: ColumnNames;
  readonly #parts: readonly StoredPart[];
  readonly #options: StoredOptions;
  readonly #shards = new Map<StoredPart, Promise<Shards | undefined>>();

  constructor(columns: ColumnNames, parts: readonly StoredPart[], options: StoredOptions) {
    this.names = columns.names;
    this.#columns = columns;
    this.#parts = parts;
    this.#options = options;
  }

  inputs(): readonly string[] {
    return [];
  }

  prepare(reading: Reading): Promise<void> {
    return this.#options.prepare(reading);
  }

  keyOf(path: string): string {
    return this.#find(path).stored.content;
  }

  wrap(rows: RowSource<CellFile>): RowSource<CellFile> {
    const { path } = rows.csv;
    return withColumns(rows, this.#columns, async () => {
      const { stored, file } = this.#find(path);
      const opened = this.#shards.get(stored) ?? openShards(stored.folder);
      this.#shards.set(stored, opened);
      // It existed when the values were computed.
      const values = new StoredValues(path, (await opened)!, this.names, file);
      const columnOf = await this.#options.columnsOf(path, stored);
      return {
        next: async (chunk, line) => (await values.next(chunk)).map((own) => columnOf(own, chunk, line)),
        end: () => values.end(),
      };
    });
  }

  #find(path: string): { readonly stored: StoredPart; readonly file: number } {
    for (const stored of this.#parts) {
      const file = stored.part.files.findIndex((each) => each.path === path);
      if (file >= 0) return { stored, file };
    }
    throw new Error(`${path} has no computed columns`);
  }
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
