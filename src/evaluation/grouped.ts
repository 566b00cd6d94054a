import { orderBits, type Ranked } from './ranked.js';
import type { Chunk } from './chunk.js';

/** Chunks of rows with the group index of each row. */
export interface GroupedChunk extends Chunk {
  readonly numbers: Uint32Array;
}

/** Rows in groups, both classes of each sorted as in `Ranked`. */
export interface Grouped {
  /** Number of nonempty groups. */
  readonly count: number;
  /** Number of their rows; rows without a key are excluded. */
  readonly rows: number;
  /** Visits the groups in unspecified order. */
  each(take: (group: Ranked) => void): void;
}

/** Shorter runs are sorted faster by insertion than by a call. */
const INSERTED = 32;

/**
 * Groups rows; uses four bytes per row and eight per group.
 * @param numGroups group indices are below it
 * @param without index of rows without a group
 */
export function groupRows(
  numGroups: number,
  without: number | undefined,
  chunks: () => Iterable<GroupedChunk>,
): Grouped {
  // First the row count per class and group, then the next offset: negatives from the front, positives from the back.
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
    let position = i;
    for (; position > begin && keys[position - 1]! > key; position--) keys[position] = keys[position - 1]!;
    keys[position] = key;
  }
}
