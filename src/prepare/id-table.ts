import { mix } from '../random.js';
import { sortByCount } from '../sort-by-count.js';

// Raw ids are whole numbers below 2^53 - 1, kept as doubles. Tables are open-addressing ones over typed arrays, at most two
// thirds full; a key is the id plus one, so that fresh memory is an empty table.

/** Counts ids: 12 bytes a slot, so about 24 for every distinct id. */
export interface IdCounter {
  add(id: number, times: number): void;
  /** Ids with at least `minCount` occurrences, the most frequent first, the smaller first among equals. */
  frequent(minCount: number): Float64Array;
  readonly distinct: number;
}

/** An empty counter. */
export function createIdCounter(): IdCounter {
  let mask = (1 << 12) - 1;
  let keys = new Float64Array(mask + 1);
  let counts = new Uint32Array(mask + 1);
  let used = 0;

  const grow = (): void => {
    const [oldKeys, oldCounts] = [keys, counts];
    mask = 2 * mask + 1;
    keys = new Float64Array(mask + 1);
    counts = new Uint32Array(mask + 1);
    for (let i = 0; i < oldKeys.length; i++) {
      if (oldKeys[i] === 0) continue;
      const slot = slotOf(keys, mask, oldKeys[i]!);
      keys[slot] = oldKeys[i]!;
      counts[slot] = oldCounts[i]!;
    }
  };

  return {
    add(id, times) {
      const slot = slotOf(keys, mask, id + 1);
      counts[slot]! += times;
      if (keys[slot] !== 0) return;
      keys[slot] = id + 1;
      if (3 * ++used > 2 * mask) grow();
    },
    frequent(minCount) {
      let numKept = 0;
      for (let slot = 0; slot <= mask; slot++) if (counts[slot]! >= minCount) numKept++;
      const kept = new Float64Array(numKept);
      for (let slot = 0, i = 0; slot <= mask; slot++) if (counts[slot]! >= minCount) kept[i++] = keys[slot]!;
      kept.sort();
      const order = new Uint32Array(numKept);
      for (let i = 0; i < kept.length; i++) order[i] = slotOf(keys, mask, kept[i]!);
      sortByCount(order, counts);
      for (let i = 0; i < kept.length; i++) kept[i] = keys[order[i]!]! - 1;
      return kept;
    },
    get distinct() {
      return used;
    },
  };
}

/** From raw ids to places in a vocabulary, shared by all threads. */
export interface IdTable {
  readonly keys: Float64Array;
  readonly values: Uint32Array;
}

/** The table of a vocabulary whose entry i is the raw id that becomes i; entry 0 is the unknown and stands for no raw id. */
export function createIdTable(vocabulary: Float64Array): IdTable {
  const slots = 2 ** Math.ceil(Math.log2(1.5 * vocabulary.length));
  const keys = new Float64Array(new SharedArrayBuffer(8 * slots));
  const values = new Uint32Array(new SharedArrayBuffer(4 * slots));
  for (let i = 1; i < vocabulary.length; i++) {
    const slot = slotOf(keys, slots - 1, vocabulary[i]! + 1);
    keys[slot] = vocabulary[i]! + 1;
    values[slot] = i;
  }
  return { keys, values };
}

/** The place of a raw id; 0 where the vocabulary has it not. */
export function lookUp({ keys, values }: IdTable, id: number): number {
  return values[slotOf(keys, keys.length - 1, id + 1)]!;
}

/** The slot that holds the key, or the free one where it belongs. */
function slotOf(keys: Float64Array, mask: number, key: number): number {
  let slot = mix((key | 0) ^ Math.imul((key / 0x100000000) | 0, 0x9e3779b1)) & mask;
  while (keys[slot] !== key && keys[slot] !== 0) slot = (slot + 1) & mask;
  return slot;
}
