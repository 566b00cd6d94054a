import type { StringPool } from './string-pool.js';

// Multikey quicksort (Bentley and Sedgewick, 'Fast algorithms for sorting and searching strings', 1997): indices are
// partitioned by a key of three bytes, and equal keys by the next three. Keys are stored next to the indices, so that
// strings, which are scattered in memory, are read once per three bytes.

/** Bytes per key; its lowest bits count the bytes present, so that a prefix sorts before longer strings. */
const KEY_BYTES = 3;
/** Shorter ranges are sorted by insertion. */
const FEW = 12;

/** Rank of each byte in JavaScript's order by UTF-16 units: surrogate pairs sort before U+E000. */
const RANKS = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0xf0 ? byte - 2 : byte >= 0xee ? byte + 16 : byte,
);

/** Sorts indices of distinct strings in JavaScript's order. */
export function sortTexts({ bytes, offsets }: StringPool, order: Uint32Array): void {
  const keys = new Uint32Array(order.length);
  const readKeys = (begin: number, end: number, depth: number): void => {
    for (let i = begin; i < end; i++) {
      const at = offsets[order[i]!]! + depth;
      const left = offsets[order[i]! + 1]! - at;
      if (left >= KEY_BYTES)
        keys[i] =
          (RANKS[bytes[at]!]! << 18) | (RANKS[bytes[at + 1]!]! << 10) | (RANKS[bytes[at + 2]!]! << 2) | KEY_BYTES;
      else keys[i] = (left > 0 ? RANKS[bytes[at]!]! << 18 : 0) | (left > 1 ? RANKS[bytes[at + 1]!]! << 10 : 0) | left;
    }
  };
  const swap = (i: number, j: number): void => {
    const [key, place] = [keys[i]!, order[i]!];
    keys[i] = keys[j]!;
    order[i] = order[j]!;
    keys[j] = key;
    order[j] = place;
  };
  /** Compares two strings that are equal before `depth`. */
  const isBefore = (a: number, b: number, depth: number): boolean => {
    const [endA, endB] = [offsets[a + 1]!, offsets[b + 1]!];
    let [atA, atB] = [offsets[a]! + depth, offsets[b]! + depth];
    while (atA < endA && atB < endB && bytes[atA] === bytes[atB]) {
      atA++;
      atB++;
    }
    return atA === endA || (atB < endB && RANKS[bytes[atA]!]! < RANKS[bytes[atB]!]!);
  };
  const insertionSort = (begin: number, end: number, depth: number): void => {
    for (let i = begin + 1; i < end; i++) {
      const place = order[i]!;
      let j = i;
      for (; j > begin && isBefore(place, order[j - 1]!, depth); j--) order[j] = order[j - 1]!;
      order[j] = place;
    }
  };
  const findPivot = (begin: number, end: number): number => {
    const [a, b, c] = [keys[begin]!, keys[(begin + end) >>> 1]!, keys[end - 1]!];
    return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
  };

  /**
   * Sorts a range whose strings are equal before `depth` and whose keys are loaded; loops over the largest part and
   * recurses into the others.
   */
  const sort = (begin: number, end: number, depth: number): void => {
    while (end - begin > FEW) {
      const pivot = findPivot(begin, end);
      let [less, more] = [begin, end];
      for (let i = begin; i < more;) {
        if (keys[i]! < pivot) swap(less++, i++);
        else if (keys[i]! > pivot) swap(i, --more);
        else i++;
      }
      if (more - less > 1) readKeys(less, more, depth + KEY_BYTES);
      const parts = [
        [begin, less, depth],
        [less, more, depth + KEY_BYTES],
        [more, end, depth],
      ] as const;
      const largest = Math.max(less - begin, more - less, end - more);
      const last = parts.find(([from, to]) => to - from === largest)!;
      for (const part of parts) if (part !== last) sort(...part);
      [begin, end, depth] = last;
    }
    insertionSort(begin, end, depth);
  };
  readKeys(0, order.length, 0);
  sort(0, order.length, 0);
}
