import { randomStream, shuffledOrder } from '../../random.js';
import { column, sliceRows, type Batch, type BatchRead } from '../../batch.js';
import { groupColumn, keyColumn, numberGroups, type KeyTexts } from '../../row-key.js';
import { createBagGather, type BagGather } from '../rows/ordered-bags.js';
import { blockRows, createRowBlock, gatherRows, type RowBlock } from '../rows/row-block.js';
import type { LeftOut } from '../rows/row-rule.js';
import type { IdCounts } from '../shards/id-counts.js';
import { keyTextsOf } from '../shards/key-texts.js';
import { labelCountsOf, type LabelCounts } from '../shards/label-counts.js';
import { leftOutOf } from '../shards/left-out.js';
import type { Shards, ShardRows } from '../shards/reader.js';
import type { ShardView, Window } from '../shards/shard-view.js';

/** How rows are put in order: none, or shuffled by seed and epoch alone. */
export interface Shuffle {
  readonly seed: number;
  readonly epoch: number;
  /** Rows that are shuffled together. Where there are more, shards are put in random order before. */
  readonly window: number;
}

/** Where to start. */
export interface BatchRange {
  /** Batches of the epoch that are left out at its beginning; next to nothing is read for them. */
  readonly skipBatches?: number;
}

/** Rows as batches. */
export interface Dataset {
  readonly rows: number;
  /** By field, where somebody counted: its ids and those that are the unknown. */
  readonly idCounts: ReadonlyMap<string, IdCounts[string]>;
  /** By reason: rows of the source that are not among them. */
  readonly leftOut: LeftOut;
  /** By label column, where somebody counted: rows in which it is 1. */
  readonly labelCounts: LabelCounts;
  /** By column that is kept as keys: the texts of those that are hashes. */
  readonly keyTexts: ReadonlyMap<string, KeyTexts>;
  /** Every usable row once; all batches are full but the last. */
  batches(batchSize: number, shuffle?: Shuffle, range?: BatchRange): AsyncGenerator<BatchRead>;
  /** The labels of all rows, of so many at a time as suits; next to nothing is read beside them. Valid until the next are asked for. */
  labels(): AsyncGenerator<Pick<Batch, 'rows' | 'labels'>>;
}

/** Rows that are read at a time where nothing is shuffled and rows are not wide. */
const READ_AHEAD_ROWS = 1 << 14;

/** A way through all rows of an epoch, a window at a time. */
interface Pass {
  /** The shards in their order, and behind each how many rows it and those before it have. */
  readonly shards: Uint32Array;
  readonly ends: Float64Array;
  /** Rows of a window: a multiple of the batch size. */
  readonly window: number;
}

/** The memory of a pass: one half is read while the batches of the other are given out. */
interface Memory {
  readonly rows: number;
  readonly isShuffled: boolean;
  /** Where nothing is shuffled, two that take turns. */
  readonly windows: readonly Window[];
  /** Rows in their order, and that order. */
  readonly shuffled: RowBlock;
  readonly order: Uint32Array;
  readonly gatherBags: BagGather;
}

/**
 * Shards as a data set. While batches of one window are given out, the next window is read.
 * @param idCounts of the fields that the view makes of the shards
 * @param lossKeys columns whose groups batches have as labels
 */
export function shardDataset(shards: Shards, view: ShardView, idCounts: Dataset['idCounts'] = new Map(), lossKeys: readonly string[] = []): Dataset {
  const { rows } = shards.manifest;
  // Memory is used again from epoch to epoch: fresh pages cost more than what is written into them.
  let spare: Memory | undefined;

  /** Reads a window; what is returned makes its rows ready. */
  const readWindow = async (pass: Pass, number: number, { raw, finish }: Window): Promise<() => RowBlock> => {
    raw.rows = 0;
    const parts = partsOf(pass, number * pass.window, Math.min(rows, (number + 1) * pass.window));
    await shards.read(parts, view.rawColumns, raw);
    return () => finish((row) => placeOf(shards, parts, row));
  };

  return {
    rows,
    idCounts,
    leftOut: leftOutOf(shards.manifest),
    labelCounts: labelCountsOf(shards.manifest),
    keyTexts: view.keyTexts ?? keyTextsOf(shards.manifest),
    async *batches(batchSize, shuffle, { skipBatches = 0 } = {}) {
      // Whole batches, so that only the last one may be short; no more than there are.
      const window = Math.min(Math.max(1, Math.ceil((shuffle?.window ?? blockRows(view.rawColumns, READ_AHEAD_ROWS)) / batchSize)), Math.ceil(rows / batchSize)) * batchSize;
      const numWindows = Math.ceil(rows / window);
      const pass = passOf(shards, window, numWindows > 1 ? shuffle : undefined);
      const isShuffled = shuffle !== undefined;
      const memory = spare?.rows === window && spare.isShuffled === isShuffled ? spare : createMemory(view, window, isShuffled);
      spare = undefined;
      const read = (number: number): Promise<() => RowBlock> | undefined => {
        if (number >= numWindows) return undefined;
        const reading = readWindow(pass, number, memory.windows[number % memory.windows.length]!);
        // What fails is thrown where it is awaited.
        reading.catch(() => undefined);
        return reading;
      };
      let skipRows = skipBatches * batchSize;
      let number = Math.floor(skipRows / window);
      skipRows -= number * window;
      let next = read(number);
      try {
        while (next !== undefined) {
          const finish = await next;
          let block = finish();
          if (shuffle !== undefined) block = putInOrder(memory, block, shuffle, number);
          next = read(++number);
          for (let begin = skipRows; begin < block.rows; begin += batchSize) {
            yield { batch: withGroups(sliceRows(block, begin, Math.min(begin + batchSize, block.rows)), lossKeys), totalRows: rows };
          }
          skipRows = 0;
        }
      } finally {
        await next?.catch(() => undefined);
        spare = memory;
      }
    },

    async *labels() {
      const columns = view.columns.filter(({ kind }) => kind === 'label');
      const block = createRowBlock(columns, Math.max(...shards.manifest.shards.map((shard) => shard.rows)));
      for (const [shard, { rows: end }] of shards.manifest.shards.entries()) {
        block.rows = 0;
        // Batches hold every byte to the manifest before a step is taken with it.
        await shards.read([{ shard, begin: 0, end }], columns, block, true);
        yield block;
      }
    },
  };
}

/** A batch that tells, as labels, which of its rows have the same cells in some columns. */
function withGroups(batch: Batch, lossKeys: readonly string[]): Batch {
  if (lossKeys.length === 0) return batch;
  const labels = new Map(batch.labels);
  for (const name of lossKeys) {
    const groups = new Float32Array(batch.rows);
    numberGroups(column(batch.keys ?? new Map<string, Uint32Array>(), keyColumn(name)), batch.rows, groups);
    labels.set(groupColumn(name), groups);
  }
  return { ...batch, labels };
}

function createMemory(view: ShardView, rows: number, isShuffled: boolean): Memory {
  const shuffledRows = isShuffled ? rows : 0;
  const windows = Array.from({ length: isShuffled ? 1 : 2 }, () => view.createWindow(rows));
  return { rows, isShuffled, windows, shuffled: createRowBlock(view.columns, shuffledRows), order: new Uint32Array(shuffledRows), gatherBags: createBagGather() };
}

/** The rows of a window in the order in which they are given out. A stream for every window, so that any can be the first. */
function putInOrder({ shuffled, order, gatherBags }: Memory, block: RowBlock, { seed, epoch }: Shuffle, window: number): RowBlock {
  shuffledOrder(order, block.rows, randomStream(seed, 'shuffle', epoch, ...(window > 0 ? [window] : [])));
  gatherRows(block, order, block.rows, shuffled, gatherBags);
  return shuffled;
}

function passOf({ manifest }: Shards, window: number, shuffle: Shuffle | undefined): Pass {
  const shards = Uint32Array.from(manifest.shards, (_, i) => i);
  if (shuffle !== undefined) shuffledOrder(shards, shards.length, randomStream(shuffle.seed, 'shuffle shards', shuffle.epoch));
  let end = 0;
  return { shards, ends: Float64Array.from(shards, (shard) => (end += manifest.shards[shard]!.rows)), window };
}

/** Where rows `begin` to `end` of a pass lie. */
function partsOf({ shards, ends }: Pass, begin: number, end: number): ShardRows[] {
  const parts: ShardRows[] = [];
  for (let s = 0; s < shards.length; s++) {
    const first = s === 0 ? 0 : ends[s - 1]!;
    if (ends[s]! > begin && first < end) parts.push({ shard: shards[s]!, begin: Math.max(0, begin - first), end: Math.min(ends[s]!, end) - first });
  }
  return parts;
}

/** The file and the row in it, from 0, of a row of a window. */
function placeOf({ folder, manifest }: Shards, parts: readonly ShardRows[], row: number): string {
  let left = row;
  for (const { shard, begin, end } of parts) {
    if (left < end - begin) return `${folder}/${manifest.shards[shard]!.file}, row ${begin + left}`;
    left -= end - begin;
  }
  return folder;
}
