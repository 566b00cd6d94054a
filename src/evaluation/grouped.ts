import { orderBits, type Ranked } from './ranked.js';
import type { Chunk } from './chunk.js';

/** Chunks of rows with the numbers of their groups. */
export interface GroupedChunk extends Chunk {
  readonly numbers: Uint32Array;
}

/** Rows in groups, both classes of each sorted as in `Ranked`. */
export interface Grouped {
  /** Groups with a row. */
  readonly count: number;
  /** Rows of them; others have no key. */
  readonly rows: number;
  /** Goes through the groups, in no order that means anything. */
  each(take: (group: Ranked) => void): void;
}

/** Shorter runs are sorted faster by insertion than by a call. */
const INSERTED = 32;

/**
 * Puts rows into groups: four bytes a row, and eight a group.
 * @param numGroups numbers are below
 * @param without the number of rows that are in no group
 */
export function groupRows(
  numGroups: number,
  without: number | undefined,
  chunks: () => Iterable<GroupedChunk>,
): Grouped {
  // First how many rows of each class a group has, then where the next one goes: negatives from the front, positives
  // from the back.
  const fronts = new Uint32Array(numGroups);
  const backs = new Uint32Array(numGroups);
  for (const { labels, numbers } of chunks()) {
    for (let row = 0; row < labels.length; row++) (labels[row] === 1 ? backs : fronts)[numbers[row]!]!++;
  }
  let rows = 0;
  let count = 0;
  const begins = new Uint32Array(numGroups + 1);
  for (let group = 0; group < numGroups; group++) {
    const size = group === without ? 0 : fronts[group]! + backs[group]!;
    if (size > 0) count++;
    begins[group] = rows;
    fronts[group] = rows;
    backs[group] = rows += size;
  }
  begins[numGroups] = rows;
  const keys = new Uint32Array(rows);
  const floats = new Float32Array(keys.buffer);
  for (const { labels, predictions, numbers } of chunks()) {
    for (let row = 0; row < labels.length; row++) {
      const group = numbers[row]!;
      if (group !== without) floats[labels[row] === 1 ? --backs[group]! : fronts[group]!++] = predictions[row]! + 0;
    }
  }
  orderBits(keys);
  for (let group = 0; group < numGroups; group++) {
    sortRun(keys, begins[group]!, fronts[group]!);
    sortRun(keys, fronts[group]!, begins[group + 1]!);
  }
  return {
    count,
    rows,
    each(take) {
      for (let group = 0; group < numGroups; group++) {
        if (begins[group] === begins[group + 1]) continue;
        take({
          negatives: keys.subarray(begins[group], fronts[group]),
          positives: keys.subarray(fronts[group], begins[group + 1]),
        });
      }
    },
  };
}

function sortRun(keys: Uint32Array, begin: number, end: number): void {
  if (end - begin > INSERTED) {
    keys.subarray(begin, end).sort();
    return;
  }
  for (let i = begin + 1; i < end; i++) {
    const key = keys[i]!;
    let at = i;
    for (; at > begin && keys[at - 1]! > key; at--) keys[at] = keys[at - 1]!;
    keys[at] = key;
  }
}
