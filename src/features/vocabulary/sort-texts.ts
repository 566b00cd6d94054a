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
export function sortTexts(texts: StringPool, order: Uint32Array): void {
  const sorter = new TextSorter(texts, order);
  sorter.readKeys(0, order.length, 0);
  sorter.sort(0, order.length, 0);
}

class TextSorter {
  readonly #bytes: Uint8Array;
  readonly #offsets: Uint32Array;
  readonly #order: Uint32Array;
  readonly #keys: Uint32Array;

  constructor({ bytes, offsets }: StringPool, order: Uint32Array) {
    this.#bytes = bytes;
    this.#offsets = offsets;
    this.#order = order;
    this.#keys = new Uint32Array(order.length);
  }

  /** Reads the keys of a range from byte `depth` of its strings. */
  readKeys(begin: number, end: number, depth: number): void {
    const [bytes, offsets, order, keys] = [this.#bytes, this.#offsets, this.#order, this.#keys];
    for (let i = begin; i < end; i++) {
      const at = offsets[order[i]!]! + depth;
      const left = offsets[order[i]! + 1]! - at;
      if (left >= KEY_BYTES)
        keys[i] =
          (RANKS[bytes[at]!]! << 18) | (RANKS[bytes[at + 1]!]! << 10) | (RANKS[bytes[at + 2]!]! << 2) | KEY_BYTES;
      else keys[i] = (left > 0 ? RANKS[bytes[at]!]! << 18 : 0) | (left > 1 ? RANKS[bytes[at + 1]!]! << 10 : 0) | left;
    }
  }

  /**
   * Sorts a range whose strings are equal before `depth` and whose keys were read; loops over the largest part and
   * recurses into the others.
   */
  sort(begin: number, end: number, depth: number): void {
    while (end - begin > FEW) {
      const [less, more] = this.#partition(begin, end);
      if (more - less > 1) this.readKeys(less, more, depth + KEY_BYTES);
      const parts = [
        [begin, less, depth],
        [less, more, depth + KEY_BYTES],
        [more, end, depth],
      ] as const;
      const largest = Math.max(less - begin, more - less, end - more);
      const last = parts.find(([from, to]) => to - from === largest)!;
      for (const part of parts) if (part !== last) this.sort(...part);
      [begin, end, depth] = last;
    }
    this.#insertionSort(begin, end, depth);
  }

  /** Moves smaller keys than a pivot before `less`, and larger ones from `more`. */
  #partition(begin: number, end: number): readonly [less: number, more: number] {
    const [order, keys] = [this.#order, this.#keys];
    const [a, b, c] = [keys[begin]!, keys[(begin + end) >>> 1]!, keys[end - 1]!];
    const pivot = Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
    let [less, more] = [begin, end];
    for (let i = begin; i < more;) {
      if (keys[i] === pivot) {
        i++;
        continue;
      }
      const j = keys[i]! < pivot ? less++ : --more;
      const [key, index] = [keys[i]!, order[i]!];
      keys[i] = keys[j]!;
      order[i] = order[j]!;
      keys[j] = key;
      order[j] = index;
      if (key < pivot) i++;
    }
    return [less, more];
  }

  #insertionSort(begin: number, end: number, depth: number): void {
    const order = this.#order;
    for (let i = begin + 1; i < end; i++) {
      const index = order[i]!;
      let j = i;
      for (; j > begin && this.#isBefore(index, order[j - 1]!, depth); j--) order[j] = order[j - 1]!;
      order[j] = index;
    }
  }

  /** Compares two strings that are equal before `depth`. */
  #isBefore(a: number, b: number, depth: number): boolean {
    const [bytes, offsets] = [this.#bytes, this.#offsets];
    const [endA, endB] = [offsets[a + 1]!, offsets[b + 1]!];
    let [atA, atB] = [offsets[a]! + depth, offsets[b]! + depth];
    while (atA < endA && atB < endB && bytes[atA] === bytes[atB]) {
      atA++;
      atB++;
    }
    return atA === endA || (atB < endB && RANKS[bytes[atA]!]! < RANKS[bytes[atB]!]!);
  }
}
