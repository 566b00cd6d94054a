import type { Chunk } from '../../chunks/chunk.js';
import { createRowBlock, emptyBlock, type BlockColumn, type RowBlock } from '../../chunks/row-block.js';
import type { Batch } from '../../core/batch.js';
import { userError } from '../../core/errors.js';
import type { Shards } from '../shards/reader.js';

// Computed values are stored for all rows of a file and for its lines that are not rows, whose values do not matter:
// whether a line is a row may depend on the columns that are read.

/** Returns the storage of computed values. */
export function valueStorage(names: readonly string[]): readonly BlockColumn[] {
  return names.map((name) => ({ name, kind: 'number' }));
}

/** Returns the values of rows and invalid lines as a batch to store. */
export function valueBatch(names: readonly string[], values: readonly Float32Array[], rows: number): Batch {
  return { ...emptyBlock(), rows, numbers: new Map(names.map((name, i) => [name, values[i]!])) };
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
export class StoredValues {
  readonly #path: string;
  readonly #shards: Shards;
  readonly #columns: readonly BlockColumn[];
  /** Shards that were not read yet. */
  readonly #left: { readonly shard: number; readonly rows: number }[];
  #block: RowBlock;
  /** Rows of the block that were returned. */
  #taken = 0;
  #values: readonly Float32Array[];

  /**
   * @param path of the file, for errors
   * @param file number of the file among those of the shards
   */
  constructor(path: string, shards: Shards, names: readonly string[], file: number) {
    const { manifest } = shards;
    const fileRows = manifest.about.fileRows ?? [manifest.rows];
    const begin = fileRows.slice(0, file).reduce((sum, rows) => sum + rows, 0);
    let before = 0;
    this.#path = path;
    this.#shards = shards;
    this.#columns = valueStorage(names);
    this.#left = manifest.shards.flatMap(({ rows }, shard) => {
      const first = before;
      before += rows;
      return first >= begin && first < begin + fileRows[file]! ? [{ shard, rows }] : [];
    });
    this.#block = createRowBlock(this.#columns, 0);
    // A chunk may have no rows.
    this.#values = names.map(() => new Float32Array(0));
  }

  /** Returns the values for the rows of the next chunk of the file, valid until the next call. */
  async next({ rows, invalid = [] }: Chunk): Promise<readonly Float32Array[]> {
    const all = rows + invalid.length;
    if (this.#values[0]!.length < all) this.#values = this.#columns.map(() => new Float32Array(2 * all));
    for (let done = 0; done < all;) {
      if (this.#taken === this.#block.rows) await this.#readShard();
      const end = Math.min(this.#block.rows, this.#taken + all - done);
      for (const [i, { name }] of this.#columns.entries())
        this.#values[i]!.set(this.#block.numbers.get(name)!.subarray(this.#taken, end), done);
      done += end - this.#taken;
      this.#taken = end;
    }
    if (invalid.length > 0)
      for (const values of this.#values)
        eachRun(rows, invalid, (begin, end, numLines) => values.copyWithin(begin, begin + numLines, end + numLines));
    return this.#values;
  }

  /** @throws UserError (data) if there are values of more rows */
  end(): void {
    if (this.#left.length > 0 || this.#taken < this.#block.rows) throw this.#changed();
  }

  async #readShard(): Promise<void> {
    const next = this.#left.shift();
    if (next === undefined) throw this.#changed();
    this.#block = createRowBlock(this.#columns, next.rows);
    this.#taken = 0;
    await this.#shards.read([{ shard: next.shard, begin: 0, end: next.rows }], this.#columns, this.#block);
  }

  #changed(): Error {
    return userError('data', {
      where: this.#path,
      message: 'has another number of rows than when they were counted',
      fix: 'run again when no program writes to it',
    });
  }
}
