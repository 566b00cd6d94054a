import type { Chunk } from '../../chunks/chunk.js';
import { createRowBlock, emptyBlock, type BlockColumn, type RowBlock } from '../../chunks/row-block.js';
import type { Batch } from '../../core/batch.js';
import { userError } from '../../core/errors.js';
import type { Shards } from '../shards/reader.js';
import type { ChunkValues } from './counter-columns.js';

/** Returns the storage of counters. */
export function counterStorage(names: readonly string[]): readonly BlockColumn[] {
  return names.map((name) => ({ name, kind: 'number' }));
}

/** Returns the values of counters as a batch to store. */
export function counterBatch(names: readonly string[], values: readonly Float32Array[], rows: number): Batch {
  return { ...emptyBlock(), rows, numbers: new Map(names.map((name, i) => [name, values[i]!])) };
}

/** Values that were stored for the rows of a file. */
export class StoredValues implements ChunkValues {
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
    this.#columns = counterStorage(names);
    this.#left = manifest.shards.flatMap(({ rows }, shard) => {
      const first = before;
      before += rows;
      return first >= begin && first < begin + fileRows[file]! ? [{ shard, rows }] : [];
    });
    this.#block = createRowBlock(this.#columns, 0);
    // A chunk may have no rows.
    this.#values = names.map(() => new Float32Array(0));
  }

  async next({ rows }: Chunk): Promise<readonly Float32Array[]> {
    if (this.#values[0]!.length < rows) this.#values = this.#columns.map(() => new Float32Array(2 * rows));
    for (let done = 0; done < rows;) {
      if (this.#taken === this.#block.rows) await this.#readShard();
      const end = Math.min(this.#block.rows, this.#taken + rows - done);
      for (const [i, { name }] of this.#columns.entries())
        this.#values[i]!.set(this.#block.numbers.get(name)!.subarray(this.#taken, end), done);
      done += end - this.#taken;
      this.#taken = end;
    }
    return this.#values;
  }

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
