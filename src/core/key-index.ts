import { grown } from './grown.js';
import { fillPlace, idAt, indexWords, probe, reserveIds } from './hash-index.js';
import { BLANK_WORD, KEY_WORDS } from './row-key.js';

/** Maps keys to consecutive indices from 0, in order of first appearance. */
export interface KeyIndex {
  readonly count: number;
  /** Two words per index. */
  readonly keys: Uint32Array;
  /** Index of the null key; undefined if none appeared. */
  readonly nullIndex: number | undefined;
  getIndex(low: number, high: number): number;
}

/**
 * Creates an empty index of keys: 20 to 32 bytes per key.
 * @param capacity number of keys for which memory is allocated
 */
export function createKeyIndex(capacity = 512): KeyIndex {
  let index: Int32Array = new Int32Array(indexWords(capacity)!);
  let keys = new Uint32Array(KEY_WORDS * capacity);
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
      const hash = hashKey(low, high);
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

/** Hashes a key (the MurmurHash3 mixer over both words; Appleby, public domain). */
function hashKey(low: number, high: number): number {
  let hash = low ^ Math.imul(high, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/**
 * Numbers the groups of equal keys from 0, in order of their first rows.
 * @param keys two words per row
 * @param groups receives the group per row, or -1 for a missing value; exact, since a batch has fewer than 2^24 rows
 * @returns the number of groups
 */
export function numberGroups(keys: Uint32Array, rows: number, groups: Float32Array): number {
  const index = createKeyIndex(rows);
  for (let row = 0; row < rows; row++) {
    const [low, high] = [keys[2 * row]!, keys[2 * row + 1]!];
    groups[row] = high === BLANK_WORD ? -1 : index.getIndex(low, high);
  }
  return index.count;
}
