import { sortByCount } from '../../core/sort-by-count.js';

// Raw ids are integers below 2^53 - 1. Tables use open addressing with two words per slot, at most two thirds full: the
// id plus one, so that zeroed memory is an empty table, and its value. Ids beyond 32 bits, of which the real files have
// none, are in a Map.

/** Ids below are stored in slots. */
const NARROW = 0xffffffff;
const FIRST_SLOTS = 1 << 12;
/** Distributes consecutive ids over all slots (golden ratio; Knuth, The Art of Computer Programming 3, 6.4). */
const SPREAD = 0x9e3779b1;

/** Counts ids with 8 bytes per slot, about 16 per distinct id. */
export interface IdCounter {
  add(id: number, times: number): void;
  /** Returns ids with at least `minCount` occurrences by descending count, then ascending id. */
  frequent(minCount: number): Float64Array;
  readonly distinct: number;
}

/** Creates an empty counter of ids. */
export function createIdCounter(): IdCounter {
  let words = new Int32Array(2 * FIRST_SLOTS);
  let used = 0;
  const wide = new Map<number, number>();

  const grow = (): void => {
    const oldWords = words;
    words = new Int32Array(2 * oldWords.length);
    for (let i = 0; i < oldWords.length; i += 2) {
      if (oldWords[i] === 0) continue;
      const slot = findSlot(words, oldWords[i]!);
      words[slot] = oldWords[i]!;
      words[slot + 1] = oldWords[i + 1]!;
    }
  };

  return {
    add(id, times) {
      if (id >= NARROW) return void wide.set(id, (wide.get(id) ?? 0) + times);
      const key = (id + 1) | 0;
      const slot = findSlot(words, key);
      words[slot + 1] = (words[slot + 1]! + times) | 0;
      if (words[slot] !== 0) return;
      words[slot] = key;
      if (3 * ++used > words.length) grow();
    },
    frequent(minCount) {
      const all = new Float64Array(used + wide.size);
      let length = 0;
      for (let slot = 0; slot < words.length; slot += 2)
        if (words[slot] !== 0 && words[slot + 1]! >>> 0 >= minCount) all[length++] = (words[slot]! >>> 0) - 1;
      for (const [id, count] of wide) if (count >= minCount) all[length++] = id;
      const ids = all.subarray(0, length).sort();
      const [counts, order, sorted] = [new Uint32Array(length), new Uint32Array(length), new Float64Array(length)];
      for (let i = 0; i < length; i++) {
        counts[i] = ids[i]! < NARROW ? words[findSlot(words, (ids[i]! + 1) | 0) + 1]! : wide.get(ids[i]!)!;
        order[i] = i;
      }
      sortByCount(order, counts);
      for (let i = 0; i < length; i++) sorted[i] = ids[order[i]!]!;
      return sorted;
    },
    get distinct() {
      return used + wide.size;
    },
  };
}

/** Maps raw ids to vocabulary indices; threads share the slots. */
export interface IdTable {
  readonly words: Int32Array;
  readonly wide: ReadonlyMap<number, number>;
}

/** Creates the table of a vocabulary, whose entry i is the raw id of index i; entry 0 is the OOV id. */
export function createIdTable(vocabulary: Float64Array): IdTable {
  const slots = 2 ** Math.ceil(Math.log2(Math.max(2, 1.5 * vocabulary.length)));
  const words = new Int32Array(new SharedArrayBuffer(8 * slots));
  const wide = new Map<number, number>();
  for (let i = 1; i < vocabulary.length; i++) {
    const id = vocabulary[i]!;
    if (id >= NARROW) {
      wide.set(id, i);
      continue;
    }
    const slot = findSlot(words, (id + 1) | 0);
    words[slot] = (id + 1) | 0;
    words[slot + 1] = i;
  }
  return { words, wide };
}

/** Returns the index of a raw id; 0 if it is not in the vocabulary. */
export function lookUp({ words, wide }: IdTable, id: number): number {
  return id >= NARROW ? (wide.get(id) ?? 0) : words[findSlot(words, (id + 1) | 0) + 1]!;
}

/** Returns the offset of a key's slot, or of the free slot for it. */
function findSlot(words: Int32Array, key: number): number {
  // The highest bits of the product depend on all bits of the key.
  let slot = 2 * (Math.imul(key, SPREAD) >>> (Math.clz32(words.length) + 2));
  while (words[slot] !== key && words[slot] !== 0) slot = (slot + 2) & (words.length - 1);
  return slot;
}
