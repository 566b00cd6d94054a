import type { ChunkRows } from '../chunks/chunk.js';
import type { Lists } from '../chunks/column.js';
import { takeTopK } from './top-k-by-weight.js';

/** Which items of a row are read, and in which order. */
export interface ItemSelection {
  /** Either the end with the newest item, or the field with the times of items. */
  readonly order: { readonly newest?: 'first' | 'last' | undefined; readonly by?: string | undefined };
  /** Maximum number of the newest items, or of those with the largest weights; column whose items are matched. */
  readonly keep: {
    readonly last?: number | undefined;
    readonly heaviest?: number | undefined;
    readonly matching?: string | undefined;
  };
  /** Column with the value that matched items equal; undefined if all items are kept. */
  readonly candidate: string | undefined;
  readonly isWeighted: boolean;
}

/** Times of items, of which those before the time of the row are read. */
export interface Times {
  readonly items: Float64Array;
  /** Time of each row. */
  readonly rows: Float64Array;
}

/** Times that select items and order them. */
export interface Clock {
  /** By column; undefined for a column without times. */
  readonly untils: readonly (Times | undefined)[];
  /** Default: the order of the lists. */
  readonly order: Float64Array | undefined;
}

/** Returns whether an item of a row equals the value of the candidate. */
export type IsMatch = (item: number, row: number) => boolean;

/** Items of all rows, selected and in order. */
export interface PickedItems {
  readonly offsets: Uint32Array;
  /** Index of each among all items of the chunk; undefined if all are read as they are. */
  readonly items: Uint32Array | undefined;
}

/** Picked items, and how many could have been. */
interface LimitedItems extends PickedItems {
  /** Number of items by row before `keep` limits them; undefined if that is all of them. */
  readonly eligible: Uint32Array | undefined;
}

/**
 * Picks the items of all kept rows that are read, newest last.
 * @param isMatch condition of an item; undefined if there is none
 */
export function pickItems(
  rows: ChunkRows,
  lists: Lists,
  selection: ItemSelection,
  clock: Clock,
  isMatch: IsMatch | undefined,
): LimitedItems {
  const untils = clock.untils.filter((times) => times !== undefined);
  if (isMatch === undefined && isAllRead(rows, lists, selection, untils))
    return { offsets: lists.offsets, items: undefined, eligible: undefined };
  const { keep } = selection;
  const offsets = new Uint32Array(rows.count + 1);
  const items = new Uint32Array(lists.offsets[rows.count]!);
  const eligible = new Uint32Array(rows.count);
  let count = 0;
  for (let row = 0; row < rows.count; row++) {
    if (rows.isKept(row)) {
      const [begin, end] = [lists.offsets[row]!, lists.offsets[row + 1]!];
      const found =
        keep.heaviest !== undefined
          ? pickHeaviest(lists.weights, begin, end, keep.heaviest, items, count)
          : pickBefore(untils, row, begin, end, items, count);
      const next = isMatch === undefined ? found : keepMatches(isMatch, row, items, count, found);
      eligible[row] = keep.heaviest === undefined ? next - count : end - begin;
      arrange(items, count, next, selection, clock.order);
      count = keep.last === undefined ? next : dropOldest(items, count, next, keep.last);
    }
    offsets[row + 1] = count;
  }
  return { offsets, items: items.subarray(0, count), eligible };
}

/** Returns whether all items of all rows are read, in the order of the lists. */
function isAllRead(
  rows: ChunkRows,
  { offsets }: Lists,
  { order, keep }: ItemSelection,
  untils: readonly Times[],
): boolean {
  if (rows.numKept < rows.count || order.newest !== 'last') return false;
  const { last, heaviest = Infinity } = keep;
  const most = last ?? heaviest;
  for (let row = 0; row < rows.count; row++) if (offsets[row + 1]! - offsets[row]! > most) return false;
  for (const { items, rows: ends } of untils)
    for (let row = 0; row < rows.count; row++)
      for (let item = offsets[row]!; item < offsets[row + 1]!; item++) if (!(items[item]! < ends[row]!)) return false;
  return true;
}

/** Writes the items of a row that are before its times to `into`, from `at`; returns their end. */
function pickBefore(
  untils: readonly Times[],
  row: number,
  begin: number,
  end: number,
  into: Uint32Array,
  at: number,
): number {
  let count = at;
  for (let item = begin; item < end; item++) {
    let isBefore = true;
    for (const { items, rows } of untils) isBefore &&= items[item]! < rows[row]!;
    if (isBefore) into[count++] = item;
  }
  return count;
}

/** Writes the items of a row with the largest weights to `into`, from `at`; returns their end. */
function pickHeaviest(
  weights: Lists['weights'],
  begin: number,
  end: number,
  most: number,
  into: Uint32Array,
  at: number,
): number {
  let count = at;
  // Items without weights are equally heavy.
  if (weights === undefined) for (let item = begin; item < Math.min(end, begin + most); item++) into[count++] = item;
  else takeTopK(weights, begin, end, most, (item) => void (into[count++] = item));
  return count;
}

/** Keeps the items from `begin` to `end` that match; returns their end. */
function keepMatches(isMatch: IsMatch, row: number, items: Uint32Array, begin: number, end: number): number {
  let count = begin;
  for (let i = begin; i < end; i++) if (isMatch(items[i]!, row)) items[count++] = items[i]!;
  return count;
}

/** Orders items `begin` to `end` from the oldest to the newest; items of the same time keep their order. */
function arrange(
  items: Uint32Array,
  begin: number,
  end: number,
  { order }: ItemSelection,
  times: Float64Array | undefined,
): void {
  if (times === undefined) {
    if (order.newest === 'first') items.subarray(begin, end).reverse();
    return;
  }
  let isSorted = true;
  for (let i = begin + 1; i < end; i++) isSorted &&= times[items[i - 1]!]! <= times[items[i]!]!;
  if (!isSorted) items.subarray(begin, end).sort((a, b) => times[a]! - times[b]! || a - b);
}

/** Keeps the last `most` of the items `begin` to `end`; returns their end. */
function dropOldest(items: Uint32Array, begin: number, end: number, most: number): number {
  if (end - begin <= most) return end;
  items.copyWithin(begin, end - most, end);
  return begin + most;
}
