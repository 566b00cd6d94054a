import { countAtMost } from '../../core/count-at-most.js';
import { randomStream, shuffledOrder } from '../../core/random.js';
import type { Manifest } from '../shards/manifest.js';
import type { Shards, ShardRows } from '../shards/reader.js';

/** Determines the permutation of the rows of an epoch. */
export interface Epoch {
  readonly seed: number;
  readonly epoch: number;
}

/** How rows are shuffled: the permutation depends on seed, epoch and window only. */
export interface Shuffle extends Epoch {
  /** Number of rows that are shuffled together. If there are more rows, shards are shuffled first. */
  readonly window: number;
}

/** Division of an epoch, in rows. */
export interface PieceSizes {
  /** Rows that are shuffled together; the last window may be shorter. */
  readonly window: number;
  /** Rows of a part of a window; the last piece of each window may be shorter. */
  readonly piece: number;
}

/** Returns the piece that contains a row of an epoch: the index of its window, and its range of rows in the epoch. */
export function findPiece(
  { window, piece }: PieceSizes,
  rows: number,
  row: number,
): { readonly number: number; readonly begin: number; readonly end: number } {
  const number = Math.floor(row / window);
  const begin = number * window + Math.floor((row - number * window) / piece) * piece;
  return { number, begin, end: Math.min(begin + piece, (number + 1) * window, rows) };
}

/** Order of the shards in an epoch. */
export interface Pass {
  readonly shards: Uint32Array;
  /** Number of rows up to the end of each shard of `shards`. */
  readonly ends: Float64Array;
  /** Rows of a window. */
  readonly window: number;
}

/** Orders the shards of an epoch. They are shuffled only if they do not fit in one window. */
export function planPass({ shards: all, rows }: Manifest, window: number, shuffle: Epoch | undefined): Pass {
  const shards = Uint32Array.from(all, (_, i) => i);
  if (shuffle !== undefined && rows > window)
    shuffledOrder(shards, shards.length, randomStream(shuffle.seed, 'shuffle shards', shuffle.epoch));
  let end = 0;
  return { shards, ends: Float64Array.from(shards, (shard) => (end += all[shard]!.rows)), window };
}

/** Returns the rows of a window before they are shuffled, as parts of shards. */
export function listParts({ shards, ends, window }: Pass, number: number): readonly ShardRows[] {
  const parts: ShardRows[] = [];
  const begin = number * window;
  for (let s = countAtMost(ends, begin); s < shards.length; s++) {
    const first = s === 0 ? 0 : ends[s - 1]!;
    if (first >= begin + window) break;
    const end = Math.min(ends[s]!, begin + window);
    if (first < end) parts.push({ shard: shards[s]!, begin: Math.max(0, begin - first), end: end - first });
  }
  return parts;
}

/** Writes the permutation of the first `rows` rows of a window. Each window has its own random stream. */
export function shuffleWindow(order: Uint32Array, rows: number, { seed, epoch }: Epoch, number: number): void {
  shuffledOrder(order, rows, randomStream(seed, 'shuffle', epoch, ...(number > 0 ? [number] : [])));
}

/** Returns the file of a row of some parts, and its number in the file, from 0. */
export function locateInParts({ folder, manifest }: Shards, parts: readonly ShardRows[], row: number): string {
  let left = row;
  for (const { shard, begin, end } of parts) {
    if (left < end - begin)
      return `${folder}/${manifest.shards[shard]!.file}, row ${(manifest.shards[shard]!.first ?? 0) + begin + left}`;
    left -= end - begin;
  }
  return folder;
}

/** Returns the file of a row of an epoch, and its number in the file, from 0. For errors: computes the permutation. */
export function locateInEpoch(shards: Shards, window: number, row: number, shuffle: Epoch | undefined): string {
  const number = Math.floor(row / window);
  const order = Uint32Array.from({ length: Math.min(window, shards.manifest.rows - number * window) }, (_, i) => i);
  if (shuffle !== undefined) shuffleWindow(order, order.length, shuffle, number);
  return locateInParts(shards, listParts(planPass(shards.manifest, window, shuffle), number), order[row % window]!);
}
