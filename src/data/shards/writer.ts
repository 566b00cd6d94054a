import { join } from 'node:path';
import { column, type Batch } from '../../core/batch.js';
import { writeFolder, writeSynced } from '../../io/disk.js';
import { textTensors, type StringPool } from '../../features/vocabulary/string-pool.js';
import type { KeyTexts } from '../../core/row-key.js';
import { safetensorsParts, writeSafetensors } from '../../io/safetensors.js';
import { writeParts } from '../../io/write-parts.js';
import { addKeyTexts } from '../rows/key-readers.js';
import {
  appendRows,
  blockRows,
  createRowBlock,
  reserveRows,
  type BlockColumn,
  type RowBlock,
} from '../../chunks/row-block.js';
import { countIds, countLabels, storedKeyTexts, type IdCount } from './counts.js';
import { MANIFEST, type Manifest, type ShardColumn } from './manifest.js';
import { blockTensors } from './tensors.js';
import { VOCABULARY } from './vocabulary.js';

/** Maximum number of rows of a shard; fewer if they are wide. Only the last shard of a file may have fewer. */
export const ROWS_PER_SHARD = 1 << 16;
/** Initial capacity of a block in rows; enough for most small files. */
const FIRST_ROWS = 1 << 10;
/** Capacity for items, relative to the expected number: a block that exceeds it is copied to twice the memory. */
const SPARE_ITEMS = 1.05;
/** Maximum number of shards that are written while the next one is filled. */
const MAX_WRITING = 2;
/** Maximum number of shards that are written but not synced, so that writes rarely wait for the disk. */
const MAX_UNSYNCED = 32;

/** Writes rows as shards. */
export type ShardWriter = Pick<ShardFolder, 'add' | 'addKeyTexts' | 'addFile'>;

/** Facts that are known when all rows are written. */
export interface ShardDetails {
  /** By column of ids or bags: exclusive upper bound of the ids. */
  readonly sizes: ReadonlyMap<string, number>;
  /** Text of each id, by column of ids or bags. */
  readonly vocabularies?: ReadonlyMap<string, StringPool>;
  /** Entries of `about` in the manifest, besides the counts of ids and labels. */
  readonly about?: Manifest['about'];
}

/**
 * Writes a directory of shards atomically: to a temporary directory next to `path`, with the manifest last, which is
 * then renamed. Memory is bounded by three shards.
 * @param columns columns of each batch, in the order of the manifest
 * @param fill adds the rows in order
 * @throws UserError (disk), also if `path` exists
 */
export async function writeShards(
  path: string,
  columns: readonly BlockColumn[],
  fill: (writer: ShardWriter) => Promise<ShardDetails>,
  rowsPerShard = blockRows(columns, ROWS_PER_SHARD),
): Promise<Manifest> {
  let manifest: Manifest | undefined;
  await writeFolder(path, async (folder) => {
    const writer = new ShardFolder(folder, columns, rowsPerShard);
    try {
      manifest = await writer.finish(await fill(writer));
    } finally {
      // The directory can be removed only if no write is in flight.
      await writer.settle();
    }
    await writeSynced(join(folder, MANIFEST), `${JSON.stringify(manifest, null, 1)}\n`);
  });
  return manifest!;
}

/** A directory of shards that is being written. */
class ShardFolder {
  readonly #folder: string;
  readonly #columns: readonly BlockColumn[];
  readonly #rowsPerShard: number;
  readonly #shards: Manifest['shards'] = [];
  #numFiles = 0;
  /** Rows of each file that was read. */
  readonly #fileRows = [0];
  /** Row of the block with which each of its shards begins. */
  #begins = [0];
  readonly #idCounts = new Map<string, IdCount>();
  readonly #labelCounts = new Map<string, number>();
  readonly #keyTexts = new Map<string, KeyTexts>();
  #capacity = 0;
  #block: RowBlock;
  readonly #spare: RowBlock[] = [];
  /** Items per row of each bag in the last block that was written. */
  #itemsPerRow: ReadonlyMap<string, number> = new Map();
  /** Writes of blocks in flight, oldest first. */
  readonly #writing: Promise<RowBlock>[] = [];
  /** Syncs of shards, one at a time, since a thread that waits for the disk cannot read; and writes of other files. */
  readonly #syncs: Promise<unknown>[] = [];

  constructor(folder: string, columns: readonly BlockColumn[], rowsPerShard: number) {
    this.#folder = folder;
    this.#columns = columns;
    this.#rowsPerShard = rowsPerShard;
    this.#block = createRowBlock(columns, 0);
  }

  /**
   * Appends the rows of a batch, which may be reused when the promise is fulfilled. No shard has rows of two files that
   * were read, but shards may share a file of the directory.
   * @param begins rows of the batch before which another file begins, in order; default: none
   */
  async add(batch: Batch, begins: readonly number[] = []): Promise<void> {
    let begin = 0;
    for (const next of begins) {
      await this.#addRows(batch, begin, next);
      begin = next;
      this.#fileRows.push(0);
      if (this.#block.rows >= this.#rowsPerShard) await this.#flush();
      else if (this.#block.rows > this.#begins.at(-1)!) this.#begins.push(this.#block.rows);
    }
    await this.#addRows(batch, begin, batch.rows);
  }

  /** Adds texts of hashed keys of the rows. */
  addKeyTexts(texts: ReadonlyMap<string, KeyTexts>): void {
    addKeyTexts(this.#keyTexts, texts);
  }

  /** Adds another file to the directory. */
  addFile(name: string, content: string | Iterable<Uint8Array>): void {
    this.#addSync(writeSynced(join(this.#folder, name), content));
  }

  /** Writes the last rows and the vocabularies, and returns the manifest. */
  async finish(details: ShardDetails): Promise<Manifest> {
    if (this.#block.rows > 0) await this.#flush();
    await this.#waitForWrites(0);
    const columns = this.#columns.map((column, i) => {
      const texts = details.vocabularies?.get(column.name);
      if (texts === undefined) return shardColumn(column, details, undefined);
      const vocabulary = `vocabulary-${String(i).padStart(3, '0')}.safetensors`;
      this.#addSync(writeSafetensors(join(this.#folder, vocabulary), textTensors(texts, VOCABULARY)));
      return shardColumn(column, details, vocabulary);
    });
    await Promise.all(this.#syncs);
    return {
      format: 'mtl shards',
      version: 1,
      rows: this.#shards.reduce((sum, shard) => sum + shard.rows, 0),
      columns,
      shards: this.#shards,
      about: {
        ...details.about,
        ...(this.#fileRows.length > 1 && { fileRows: this.#fileRows }),
        idCounts: Object.fromEntries(this.#idCounts),
        labelCounts: Object.fromEntries(this.#labelCounts),
        ...(this.#keyTexts.size > 0 && { keyTexts: storedKeyTexts(this.#keyTexts) }),
      },
    };
  }

  /** Waits until no write is in flight, successful or not. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#writing);
    await Promise.allSettled(this.#syncs);
  }

  #addSync(sync: Promise<unknown>): void {
    // `finish` throws the error of a sync that fails.
    sync.catch(() => undefined);
    this.#syncs.push(sync);
  }

  /** Appends rows of one file. */
  async #addRows(batch: Batch, from: number, to: number): Promise<void> {
    for (let begin = from; begin < to;) {
      const end = Math.min(to, begin + this.#rowsPerShard - (this.#block.rows - this.#begins.at(-1)!));
      this.#reserve(this.#block.rows + end - begin);
      appendRows(batch, this.#columns, begin, end, this.#block);
      this.#fileRows[this.#fileRows.length - 1]! += end - begin;
      begin = end;
      if (this.#block.rows - this.#begins.at(-1)! === this.#rowsPerShard) await this.#flush();
    }
  }

  /** Grows the block to at least `rows` rows. */
  #reserve(rows: number): void {
    if (rows <= this.#capacity) return;
    const grown = this.#numFiles > 0 ? this.#rowsPerShard : Math.max(4 * this.#capacity, FIRST_ROWS);
    this.#capacity = Math.max(rows, Math.min(this.#rowsPerShard, grown));
    const itemsPerRow = this.#block.rows > 0 ? itemsPerRowOf(this.#block) : this.#itemsPerRow;
    reserveRows(this.#block, this.#columns, this.#capacity);
    for (const [name, items] of itemsPerRow)
      column(this.#block, name, 'list').reserve(Math.ceil(SPARE_ITEMS * items * this.#capacity));
  }

  /** Starts to write the block as one file of shards, and replaces it. */
  async #flush(): Promise<void> {
    await this.#waitForWrites(MAX_WRITING - 1);
    await this.#syncs.at(-MAX_UNSYNCED);
    countIds(this.#block, this.#columns, this.#idCounts);
    countLabels(this.#block, this.#columns, this.#labelCounts);
    this.#itemsPerRow = itemsPerRowOf(this.#block);
    const writing = this.#write(this.#block, this.#begins);
    this.#begins = [0];
    // `#waitForWrites` throws the error of a write that fails.
    writing.catch(() => undefined);
    this.#writing.push(writing);
    const spare = this.#spare.pop();
    this.#capacity = spare === undefined ? 0 : this.#rowsPerShard;
    this.#block = spare ?? createRowBlock(this.#columns, 0);
    this.#block.rows = 0;
  }

  /** Writes a block as a file of shards, which is synced after the previous ones. */
  async #write(block: RowBlock, begins: readonly number[]): Promise<RowBlock> {
    const file = `shard-${String(this.#numFiles++).padStart(5, '0')}.safetensors`;
    const shards = [...begins.filter((begin) => begin < block.rows).entries()].map(([i, begin]) => {
      const rows = (begins[i + 1] ?? block.rows) - begin;
      return { file, rows, bytes: 0, hash: '', ...(begin > 0 && { first: begin }) };
    });
    for (const shard of shards) this.#shards.push(shard);
    const parts = safetensorsParts(blockTensors(block, this.#columns));
    const { content, sync } = await writeParts(join(this.#folder, file), parts);
    this.#addSync(Promise.allSettled(this.#syncs.slice(-1)).then(sync));
    for (const shard of shards) Object.assign(shard, content);
    return block;
  }

  /** Waits until at most `max` blocks are being written. */
  async #waitForWrites(max: number): Promise<void> {
    while (this.#writing.length > max) this.#spare.push(await this.#writing.shift()!);
  }
}

function itemsPerRowOf({ columns, rows }: RowBlock): ReadonlyMap<string, number> {
  return new Map(
    [...columns].flatMap(([name, each]) => (each.type === 'list' ? [[name, each.offsets[rows]! / rows] as const] : [])),
  );
}

/** Describes a column for the manifest. */
export function shardColumn(
  { name, kind, width = 1 }: BlockColumn,
  details: Pick<ShardDetails, 'sizes'>,
  vocabulary: string | undefined,
): ShardColumn {
  if (kind === 'vector') return { name, kind, width };
  if (kind !== 'id' && kind !== 'bag') return { name, kind };
  const size = details.sizes.get(name);
  if (size === undefined) throw new Error(`no size for the ids of column '${name}'`);
  return { name, kind, size, ...(vocabulary !== undefined && { vocabulary }) };
}
