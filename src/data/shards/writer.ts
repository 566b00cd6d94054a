import { join } from 'node:path';
import type { Batch } from '../../core/batch.js';
import { writeFolder, writeSynced } from '../../io/disk.js';
import { textTensors, type StringPool } from '../../features/vocabulary/string-pool.js';
import type { KeyTexts } from '../../core/row-key.js';
import { safetensorsParts, writeSafetensors } from '../../io/safetensors.js';
import { writeParts } from '../../io/write-parts.js';
import { addKeyTexts } from '../rows/key-readers.js';
import { appendRows, blockRows, createRowBlock, type BlockColumn, type RowBlock } from '../../chunks/row-block.js';
import { countIds, type IdCounts } from './id-counts.js';
import { KEY_TEXTS, storedKeyTexts } from './key-texts.js';
import { countLabels, LABEL_COUNTS } from './label-counts.js';
import { MANIFEST, type Manifest, type ShardColumn } from './manifest.js';
import { tensorsOf } from './tensors.js';
import { VOCABULARY } from './vocabulary.js';

/**
 * Rows of a shard, where these are not so wide that there are fewer; only the last of a folder may have fewer than the
 * others.
 */
export const ROWS_PER_SHARD = 1 << 16;
/** Rows that a block has memory for at first, since most of many small files need no more. */
const FIRST_ROWS = 1 << 10;
/** Shards that the system takes while the next is filled. */
const MAX_WRITING = 2;
/** Shards that the system has and the disk does not: it may fall behind for a while, and nobody waits for it. */
const MAX_UNSYNCED = 32;

/** Takes rows and writes them as shards. */
export interface ShardWriter {
  /** Appends the rows of a batch, which may be used again once the promise is kept. */
  add(batch: Batch): Promise<void>;
  /** Adds texts of keys that its rows have. */
  addKeyTexts(texts: ReadonlyMap<string, KeyTexts>): void;
  /** Adds another file to the folder. */
  addFile(name: string, content: string): void;
}

/** What is known when all rows are written. */
export interface ShardDetails {
  /** By column of ids or bags: every id is below. */
  readonly sizes: ReadonlyMap<string, number>;
  /** By column of ids or bags, where there is one: the text of id i at place i. */
  readonly vocabularies?: ReadonlyMap<string, StringPool>;
  /** JSON, for the manifest, which also tells how many ids are the unknown. */
  readonly about?: Readonly<Record<string, unknown>>;
}

/**
 * Writes a folder of shards, whole or not at all: everything goes into a temporary folder beside `path`, the manifest
 * last,
 * which is then renamed to its place. Memory stays at three shards.
 * @param columns what is in every batch, in the order of the manifest
 * @param fill adds the rows, in their order
 * @throws UserError (disk), also where something is at `path` already
 */
export async function writeShards(
  path: string,
  columns: readonly BlockColumn[],
  fill: (writer: ShardWriter) => Promise<ShardDetails>,
  rowsPerShard = blockRows(columns, ROWS_PER_SHARD),
): Promise<Manifest> {
  let written: Manifest | undefined;
  await writeFolder(path, async (folder) => {
    const shards: Manifest['shards'] = [];
    let capacity = 0;
    let block = createRowBlock(columns, capacity);
    /** Blocks by what has them written, the oldest first. */
    const writing: Promise<RowBlock>[] = [];
    /**
     * What has the disk take the shards for good, one after the other: threads that wait for it could not read
     * meanwhile.
     */
    const syncs: Promise<void>[] = [];
    /** Writes of other files; the disk syncs them together with the shards. */
    const others: Promise<unknown>[] = [];
    const addOther = (writing: Promise<unknown>): void => {
      // What fails is thrown where it is awaited.
      writing.catch(() => undefined);
      others.push(writing);
    };
    const spare: RowBlock[] = [];
    const counts = new Map<string, IdCounts[string]>();
    const labelCounts = new Map<string, number>();
    const keyTexts = new Map<string, KeyTexts>();

    /** Waits until no more than so many are left of them. */
    const flushed = async (most: number): Promise<void> => {
      while (writing.length > most) spare.push(await writing.shift()!);
    };

    /** Writes the full block while the next one is filled. */
    const flush = async (): Promise<void> => {
      await flushed(MAX_WRITING - 1);
      await syncs.at(-MAX_UNSYNCED);
      const full = block;
      countIds(full, counts);
      countLabels(full, labelCounts);
      const file = `shard-${String(shards.length).padStart(5, '0')}.safetensors`;
      shards.push({ file, rows: full.rows, bytes: 0, hash: '' });
      const shard = shards.at(-1)!;
      const isWritten = writeParts(join(folder, file), safetensorsParts(tensorsOf(full, columns))).then(
        ({ content, sync }) => {
          const before = Promise.allSettled(syncs.slice(-1));
          const synced = before.then(sync);
          synced.catch(() => undefined);
          syncs.push(synced);
          Object.assign(shard, content);
          return full;
        },
      );
      // What fails is thrown where it is awaited.
      isWritten.catch(() => undefined);
      writing.push(isWritten);
      const free = spare.pop();
      capacity = free === undefined ? 0 : rowsPerShard;
      block = free ?? createRowBlock(columns, capacity);
      block.rows = 0;
    };

    const reserve = (rows: number): void => {
      if (rows <= capacity) return;
      const before = block;
      capacity = shards.length > 0 ? rowsPerShard : Math.min(rowsPerShard, Math.max(rows, 4 * capacity, FIRST_ROWS));
      block = createRowBlock(columns, capacity);
      appendRows(before, columns, 0, before.rows, block);
    };

    const writer: ShardWriter = {
      async add(batch) {
        for (let begin = 0; begin < batch.rows;) {
          const end = Math.min(batch.rows, begin + rowsPerShard - block.rows);
          reserve(block.rows + end - begin);
          appendRows(batch, columns, begin, end, block);
          begin = end;
          if (block.rows === rowsPerShard) await flush();
        }
      },
      addKeyTexts: (texts) => addKeyTexts(keyTexts, texts),
      addFile: (name, content) => addOther(writeSynced(join(folder, name), content)),
    };
    let details: ShardDetails;
    let shardColumns: readonly ShardColumn[];
    try {
      details = await fill(writer);
      if (block.rows > 0) await flush();
      await flushed(0);
      shardColumns = columns.map((column, i) => {
        const texts = details.vocabularies?.get(column.name);
        const vocabulary = texts && `vocabulary-${String(i).padStart(3, '0')}.safetensors`;
        if (vocabulary !== undefined)
          addOther(writeSafetensors(join(folder, vocabulary), textTensors(texts!, VOCABULARY)));
        return shardColumn(column, details, vocabulary);
      });
      await Promise.all([...syncs, ...others]);
    } finally {
      // Nothing is written any more to a folder that is removed.
      await Promise.allSettled(writing);
      await Promise.allSettled([...syncs, ...others]);
    }

    const rows = shards.reduce((sum, shard) => sum + shard.rows, 0);
    written = {
      format: 'mtl shards',
      version: 1,
      rows,
      columns: [...shardColumns],
      shards,
      about: {
        ...details.about,
        idCounts: Object.fromEntries(counts),
        [LABEL_COUNTS]: Object.fromEntries(labelCounts),
        ...(keyTexts.size > 0 && { [KEY_TEXTS]: storedKeyTexts(keyTexts) }),
      },
    };
    await writeSynced(join(folder, MANIFEST), `${JSON.stringify(written, null, 1)}\n`);
  });
  return written!;
}

/** What a manifest tells of a column. */
function shardColumn(
  { name, kind, width = 1 }: BlockColumn,
  details: ShardDetails,
  vocabulary: string | undefined,
): ShardColumn {
  if (kind === 'vector') return { name, kind, width };
  if (kind === 'number' || kind === 'label' || kind === 'key') return { name, kind };
  return { name, kind, size: sizeOf(details, name), ...(vocabulary !== undefined && { vocabulary }) };
}

function sizeOf({ sizes }: ShardDetails, name: string): number {
  const size = sizes.get(name);
  if (size === undefined) throw new Error(`no size for the ids of column '${name}'`);
  return size;
}
