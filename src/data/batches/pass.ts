import { randomStream, shuffledOrder } from '../../core/random.js';
import type { Manifest } from '../shards/manifest.js';
import type { Shards, ShardRows } from '../shards/reader.js';

/** How rows are put in order: shuffled by seed and epoch alone. */
export interface Shuffle {
  readonly seed: number;
  readonly epoch: number;
  /** Rows that are shuffled together. Where there are more, shards are put in random order before. */
  readonly window: number;
}

/** A way through all rows of an epoch, a window at a time. */
export interface Pass {
  /** The shards in their order, and behind each how many rows it and those before it have. */
  readonly shards: Uint32Array;
  readonly ends: Float64Array;
  /** Rows of a window. */
  readonly window: number;
}

/** How an epoch is divided, in rows. */
export interface PieceSizes {
  /** What is shuffled together; the last one may be short. */
  readonly window: number;
  /** A part of a window; the last one of each may be short. */
  readonly piece: number;
}

/** The piece that a row of an epoch of `rows` is in: its window, and where in the epoch it begins and ends. */
export function pieceAt(
  { window, piece }: PieceSizes,
  rows: number,
  row: number,
): { readonly number: number; readonly begin: number; readonly end: number } {
  const number = Math.floor(row / window);
  const begin = number * window + Math.floor((row - number * window) / piece) * piece;
  return { number, begin, end: Math.min(begin + piece, (number + 1) * window, rows) };
}

/** The way through the rows of some shards: in their order, where nothing is shuffled or one window has them all. */
export function passOf(
  { shards: all, rows }: Manifest,
  window: number,
  shuffle: Omit<Shuffle, 'window'> | undefined,
): Pass {
  const shards = Uint32Array.from(all, (_, i) => i);
  if (shuffle !== undefined && rows > window)
    shuffledOrder(shards, shards.length, randomStream(shuffle.seed, 'shuffle shards', shuffle.epoch));
  let end = 0;
  return { shards, ends: Float64Array.from(shards, (shard) => (end += all[shard]!.rows)), window };
}

/** Where the rows of a window lie. */
export function partsOf({ shards, ends, window }: Pass, number: number): readonly ShardRows[] {
  const parts: ShardRows[] = [];
  const begin = number * window;
  for (let s = firstEndingAfter(ends, begin); s < shards.length; s++) {
    const first = s === 0 ? 0 : ends[s - 1]!;
    if (first >= begin + window) break;
    const end = Math.min(ends[s]!, begin + window);
    if (first < end) parts.push({ shard: shards[s]!, begin: Math.max(0, begin - first), end: end - first });
  }
  return parts;
}

/** Returns the first index whose value is above `row`, of values in increasing order. */
function firstEndingAfter(ends: Float64Array, row: number): number {
  let [low, high] = [0, ends.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ends[middle]! > row) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The order of so many rows of a window. A stream for every window, so that any can be the first. */
export function drawOrder(
  order: Uint32Array,
  rows: number,
  { seed, epoch }: Omit<Shuffle, 'window'>,
  number: number,
): void {
  shuffledOrder(order, rows, randomStream(seed, 'shuffle', epoch, ...(number > 0 ? [number] : [])));
}

/** The file and the row in it, from 0, of a row of a window. */
export function placeOf({ folder, manifest }: Shards, parts: readonly ShardRows[], row: number): string {
  let left = row;
  for (const { shard, begin, end } of parts) {
    if (left < end - begin) return `${folder}/${manifest.shards[shard]!.file}, row ${begin + left}`;
    left -= end - begin;
  }
  return folder;
}
