import { randomStream, shuffledOrder } from '../random.js';
import type { BatchRead } from '../batch.js';
import { checkRows } from './check-rows.js';
import { createRowBlock, gather, type BlockColumn, type RowBlock } from './row-block.js';
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

/** The memory of a pass: the window that is given out, and the one that is read meanwhile. */
interface Memory {
  readonly blocks: readonly [RowBlock, RowBlock];
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

  const readWindow = async (pass: Pass, number: number, block: RowBlock): Promise<RowBlock> => {
    block.rows = 0;
    const parts = partsOf(pass, number * pass.window, Math.min(rows, (number + 1) * pass.window));
    await shards.read(parts, columns, block);
    checkRows(block, sizes, (row) => placeOf(shards, parts, row));
    return block;
  };

  return {
    rows,
    async *batches(batchSize, shuffle, { skipBatches = 0 } = {}) {
      // Whole batches, so that only the last one may be short; no more than there are.
      const window = Math.min(Math.max(1, Math.ceil((shuffle?.window ?? READ_AHEAD_ROWS) / batchSize)), Math.ceil(rows / batchSize)) * batchSize;
      const numWindows = Math.ceil(rows / window);
      const pass = passOf(shards, window, numWindows > 1 ? shuffle : undefined);
      const { memory } = spare?.window === window ? spare : { memory: createMemory(columns, window, numWindows) };
      spare = undefined;
      const batch = createRowBlock(columns, batchSize);
      let skipRows = skipBatches * batchSize;
      let number = Math.floor(skipRows / window);
      skipRows -= number * window;
      let next = number < numWindows ? readWindow(pass, number, memory.blocks[number % 2]!) : undefined;
      try {
        for (; next !== undefined; number++) {
          const block = await next;
          next = number + 1 < numWindows ? readWindow(pass, number + 1, memory.blocks[(number + 1) % 2]!) : undefined;
          // What fails is thrown where it is awaited.
          next?.catch(() => undefined);
          putInOrder(memory.order, block.rows, shuffle, number);
          for (let begin = skipRows; begin < block.rows; begin += batchSize) {
            gather(block, memory.order, begin, Math.min(begin + batchSize, block.rows), batch);
            yield { batch, totalRows: rows };
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

function createMemory(columns: readonly BlockColumn[], window: number, numWindows: number): Memory {
  const first = createRowBlock(columns, window);
  return { blocks: [first, numWindows > 1 ? createRowBlock(columns, window) : first], order: new Uint32Array(window) };
}

/** Rows of a window in the order in which they are given out. */
function putInOrder(order: Uint32Array, rows: number, shuffle: Shuffle | undefined, window: number): void {
  if (shuffle === undefined) for (let i = 0; i < rows; i++) order[i] = i;
  // A stream for every window, so that any of them can be the first.
  else shuffledOrder(order, rows, randomStream(shuffle.seed, 'shuffle', shuffle.epoch, ...(window > 0 ? [window] : [])));
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
