import { grown } from '../core/grown.js';
import { BLANK_WORD, KEY_WORDS, placeOfKey } from '../core/row-key.js';

/** Maps keys to consecutive indices from 0, in order of first appearance. */
export interface KeyIndex {
  readonly count: number;
  /** Two words per index. */
  readonly keys: Uint32Array;
  /** Index of the null key; undefined if none appeared. */
  readonly nullIndex: number | undefined;
  getIndex(low: number, high: number): number;
}

/** Initial number of slots; a power of two. */
const FIRST_PLACES = 1 << 10;

/** Creates an empty hash table with open addressing and at most half load: about 20 bytes per key. */
export function createKeyIndex(): KeyIndex {
  let slots = new Uint32Array(FIRST_PLACES);
  let keys = new Uint32Array(KEY_WORDS * (FIRST_PLACES / 2));
  let count = 0;
  let nullIndex: number | undefined;

  /** Returns the slot of a key, or the empty slot where it belongs; slots store index + 1. */
  const find = (low: number, high: number): number => {
    const mask = slots.length - 1;
    let slot = placeOfKey(low, high) & mask;
    for (let number = slots[slot]!; number !== 0; number = slots[slot]!) {
      if (keys[KEY_WORDS * (number - 1)] === low && keys[KEY_WORDS * number - 1] === high) return slot;
      slot = (slot + 1) & mask;
    }
    return slot;
  };
  const grow = (): void => {
    slots = new Uint32Array(2 * slots.length);
    keys = grown(keys, 2 * keys.length);
    for (let number = 0; number < count; number++)
      slots[find(keys[KEY_WORDS * number]!, keys[KEY_WORDS * number + 1]!)] = number + 1;
  };
  return {
    get count() {
      return count;
    },
    get keys() {
      return keys.subarray(0, KEY_WORDS * count);
    },
    get nullIndex() {
      return nullIndex;
    },
    getIndex(low, high) {
      const slot = find(low, high);
      const stored = slots[slot]!;
      if (stored !== 0) return stored - 1;
      keys[KEY_WORDS * count] = low;
      keys[KEY_WORDS * count + 1] = high;
      if (high === BLANK_WORD) nullIndex = count;
      slots[slot] = ++count;
      if (2 * count === slots.length) grow();
      return count - 1;
    },
  };
}
