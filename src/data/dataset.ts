import { randomStream, shuffledOrder } from '../random.js';
import type { BatchRead } from '../batch.js';
import { checkRows } from './check-rows.js';
import { createRowBlock, permuteRows, sliceRows, type BlockColumn, type RowBlock } from './row-block.js';
import type { Shards, ShardRows } from './shards/reader.js';

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
  /** Every usable row once; all batches are full but the last. */
  batches(batchSize: number, shuffle?: Shuffle, range?: BatchRange): AsyncGenerator<BatchRead>;
}

/** Rows that are read at a time where nothing is shuffled. */
const READ_AHEAD_ROWS = 1 << 14;

/** A way through all rows of an epoch, a window at a time. */
interface Pass {
  /** The shards in their order, and behind each how many rows it and those before it have. */
  readonly shards: Uint32Array;
  readonly ends: Float64Array;
  /** Rows of a window: a multiple of the batch size. */
  readonly window: number;
}

/** The memory of a pass. */
interface Memory {
  /** The window that is read. */
  incoming: RowBlock;
  /** The window whose batches are given out, in their order. */
  outgoing: RowBlock;
  readonly order: Uint32Array;
}

/**
 * Shards as a data set. While batches of one window are given out, the next window is read.
 * @param columns what is read of them
 */
export function shardDataset(shards: Shards, columns: readonly BlockColumn[]): Dataset {
  const { rows } = shards.manifest;
  const sizes = new Map(shards.manifest.columns.flatMap((column) => ('size' in column ? [[column.name, column.size] as const] : [])));
  // Memory is used again from epoch to epoch: fresh pages cost more than what is written into them.
  let spare: { readonly window: number; readonly memory: Memory } | undefined;

  const readWindow = async (pass: Pass, number: number, block: RowBlock): Promise<void> => {
    block.rows = 0;
    const parts = partsOf(pass, number * pass.window, Math.min(rows, (number + 1) * pass.window));
    await shards.read(parts, columns, block);
    checkRows(block, sizes, (row) => placeOf(shards, parts, row));
  };

  return {
    rows,
    async *batches(batchSize, shuffle, { skipBatches = 0 } = {}) {
      // Whole batches, so that only the last one may be short; no more than there are.
      const window = Math.min(Math.max(1, Math.ceil((shuffle?.window ?? READ_AHEAD_ROWS) / batchSize)), Math.ceil(rows / batchSize)) * batchSize;
      const numWindows = Math.ceil(rows / window);
      const pass = passOf(shards, window, numWindows > 1 ? shuffle : undefined);
      const { memory } = spare?.window === window ? spare : { memory: createMemory(columns, window) };
      spare = undefined;
      let skipRows = skipBatches * batchSize;
      let number = Math.floor(skipRows / window);
      skipRows -= number * window;
      let next = number < numWindows ? readWindow(pass, number, memory.incoming) : undefined;
      try {
        for (; next !== undefined; number++) {
          await next;
          const block = putInOrder(memory, shuffle, number);
          next = number + 1 < numWindows ? readWindow(pass, number + 1, memory.incoming) : undefined;
          // What fails is thrown where it is awaited.
          next?.catch(() => undefined);
          for (let begin = skipRows; begin < block.rows; begin += batchSize) {
            yield { batch: sliceRows(block, begin, Math.min(begin + batchSize, block.rows)), totalRows: rows };
          }
          skipRows = 0;
        }
      } finally {
        await next?.catch(() => undefined);
        spare = { window, memory };
      }
    },
  };
}

function createMemory(columns: readonly BlockColumn[], window: number): Memory {
  return { incoming: createRowBlock(columns, window), outgoing: createRowBlock(columns, window), order: new Uint32Array(window) };
}

/** Makes the window that was read the one that is given out. */
function putInOrder(memory: Memory, shuffle: Shuffle | undefined, window: number): RowBlock {
  const { incoming, outgoing, order } = memory;
  if (shuffle === undefined) {
    memory.incoming = outgoing;
    memory.outgoing = incoming;
    return incoming;
  }
  // A stream for every window, so that any of them can be the first.
  shuffledOrder(order, incoming.rows, randomStream(shuffle.seed, 'shuffle', shuffle.epoch, ...(window > 0 ? [window] : [])));
  permuteRows(incoming, order, outgoing);
  return outgoing;
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
