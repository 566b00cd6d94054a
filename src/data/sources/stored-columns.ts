import { column, numberColumn, type Batch } from '../../core/batch.js';
import type { Chunk } from '../../chunks/chunk.js';
import type { Column } from '../../chunks/column.js';
import { createRowBlock, type BlockColumn, type RowBlock } from '../../chunks/row-block.js';
import { userError } from '../../core/errors.js';
import type { Paths } from '../options.js';
import { openShards, type Shards } from '../shards/reader.js';
import type { CellPart } from './cell-part.js';
import { computedColumns, type ColumnNames, type ComputedColumns } from './computed-columns.js';

// Computed values are stored for all rows of a file and for its lines that are not rows, whose values do not matter:
// whether a line is a row may depend on the columns that are read.

/** Returns the storage of computed values. */
export function valueStorage(names: readonly string[]): readonly BlockColumn[] {
  return names.map((name) => ({ name, kind: 'number' }));
}

/** Returns the values of rows and invalid lines as a batch to store. */
export function valueBatch(names: readonly string[], values: readonly Float32Array[], rows: number): Batch {
  return { rows, columns: new Map(names.map((name, i) => [name, numberColumn(values[i]!)])) };
}

/** Returns the values of the rows of a chunk as a batch to store, with NaN for each line that is not a row. */
export function chunkBatch(
  names: readonly string[],
  values: readonly Float32Array[],
  { rows, invalid = [] }: Chunk,
): Batch {
  if (invalid.length === 0) return valueBatch(names, values, rows);
  const all = values.map((own) => {
    const padded = new Float32Array(rows + invalid.length).fill(NaN);
    eachRun(rows, invalid, (begin, end, numLines) => padded.set(own.subarray(begin, end), begin + numLines));
    return padded;
  });
  return valueBatch(names, all, rows + invalid.length);
}

/** Calls `visit` for each run of rows between invalid lines, with the number of lines before it. */
function eachRun(
  rows: number,
  invalid: NonNullable<Chunk['invalid']>,
  visit: (begin: number, end: number, numLines: number) => void,
): void {
  for (let i = 0; i <= invalid.length; i++) visit(invalid[i - 1]?.before ?? 0, invalid[i]?.before ?? rows, i);
}

/** Values that were stored for the rows of a file. */
class StoredValues {
  readonly #path: string;
  readonly #columns: readonly BlockColumn[];
  readonly #blocks: AsyncGenerator<RowBlock>;
  #block: RowBlock;
  /** Rows of the block that were returned. */
  #taken = 0;
  #values: readonly Float32Array[];

  /**
   * @param path of the file, for errors
   * @param file number of the file among the files of the shards
   */
  constructor(path: string, shards: Shards, names: readonly string[], file: number) {
    this.#path = path;
    this.#columns = valueStorage(names);
    this.#blocks = readBlocks(shards, this.#columns, file);
    this.#block = createRowBlock(this.#columns, 0);
    // A chunk may have no rows.
    this.#values = names.map(() => new Float32Array(0));
  }

  /** Returns the values for the rows of the next chunk of the file, valid until the next call. */
  async next({ rows, invalid = [] }: Chunk): Promise<readonly Float32Array[]> {
    const all = rows + invalid.length;
    if (this.#values[0]!.length < all) this.#values = this.#columns.map(() => new Float32Array(2 * all));
    for (let done = 0; done < all;) {
      if (this.#taken === this.#block.rows && !(await this.#nextBlock())) throw this.#changed();
      const end = Math.min(this.#block.rows, this.#taken + all - done);
      for (const [i, { name }] of this.#columns.entries())
        this.#values[i]!.set(column(this.#block, name, 'f32').data.subarray(this.#taken, end), done);
      done += end - this.#taken;
      this.#taken = end;
    }
    if (invalid.length > 0)
      for (const values of this.#values)
        eachRun(rows, invalid, (begin, end, numLines) => values.copyWithin(begin, begin + numLines, end + numLines));
    return this.#values;
  }

  /** @throws UserError (data) if there are values of more rows */
  async end(): Promise<void> {
    if (this.#taken < this.#block.rows || (await this.#nextBlock())) throw this.#changed();
  }

  async #nextBlock(): Promise<boolean> {
    const next = await this.#blocks.next();
    if (next.done !== true) [this.#block, this.#taken] = [next.value, 0];
    return next.done !== true;
  }

  #changed(): Error {
    return userError('data', {
      where: this.#path,
      message: 'has another number of rows than when they were counted',
      fix: 'run again when no program writes to it',
    });
  }
}

/** Reads the values of a file, shard by shard. */
async function* readBlocks(shards: Shards, columns: readonly BlockColumn[], file: number): AsyncGenerator<RowBlock> {
  const { manifest } = shards;
  const fileRows = manifest.about.fileRows ?? [manifest.rows];
  const first = fileRows.slice(0, file).reduce((sum, rows) => sum + rows, 0);
  let begin = 0;
  for (const [shard, { rows }] of manifest.shards.entries()) {
    if (begin >= first && begin < first + fileRows[file]!) {
      const block = createRowBlock(columns, rows);
      await shards.read([{ shard, begin: 0, end: rows }], columns, block);
      yield block;
    }
    begin += rows;
  }
}

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
  return computedColumns(
    columns,
    async ({ csv: { path } }) => {
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
    },
    { prepare, keyOf: (path) => findPart(parts, path).stored.content },
  );
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
