import { grown } from '../core/grown.js';
import { fillPlace, idAt, indexWords, probe, reserveIds } from '../core/hash-index.js';
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

/** Creates an empty index of keys: 20 to 32 bytes per key. */
export function createKeyIndex(): KeyIndex {
  let index: Int32Array = new Int32Array(indexWords(0)!);
  let keys = new Uint32Array(1 << 10);
  let count = 0;
  let nullIndex: number | undefined;

  /** Returns the place of a key, or the free place where it belongs. */
  const find = (hash: number, low: number, high: number): number => {
    for (let place = probe(index, hash, hash); ; place = probe(index, hash, place + 1)) {
      const id = idAt(index, place);
      if (id === 0 || (keys[KEY_WORDS * (id - 1)] === low && keys[KEY_WORDS * id - 1] === high)) return place;
    }
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
      const hash = placeOfKey(low, high) | 0;
      const known = idAt(index, find(hash, low, high));
      if (known !== 0) return known - 1;
      // Row numbers are below the maximum number of ids.
      index = reserveIds(index, count + 1)!;
      keys = grown(keys, KEY_WORDS * (count + 1));
      keys[KEY_WORDS * count] = low;
      keys[KEY_WORDS * count + 1] = high;
      if (high === BLANK_WORD) nullIndex = count;
      fillPlace(index, find(hash, low, high), hash, ++count);
      return count - 1;
    },
  };
}
