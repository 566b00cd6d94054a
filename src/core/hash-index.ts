import { allocateLike } from './grown.js';

// A hash index maps hashes to ids from 1: open addressing with linear probing, and two words per place, the hash and
// the id. At most two thirds of its places are used. Zeroed memory is an empty index, and threads may share it. The
// caller compares the keys of ids that have the same hash:
//
//   for (let place = probe(index, hash, hash); ; place = probe(index, hash, place + 1)) {
//     const id = idAt(index, place);
//     if (id === 0 || isKeyOf(id)) return place;
//   }
//
// Keys of 32 bits need no comparison, since `hashWord` has a hash for each. What is stored of a key may then be any
// number but 0, such as its count.

/** Maximum number of places that 31 hash bits address. */
const MAX_PLACES = 2 ** 30;

/** Returns the number of words of an index for `numIds` ids; undefined if there are too many. */
export function indexWords(numIds: number): number | undefined {
  const places = 2 ** Math.ceil(Math.log2(Math.max(16, 1.5 * numIds)));
  return places <= MAX_PLACES ? 2 * places : undefined;
}

/** Factor that distributes consecutive keys (golden ratio; Knuth, volume 3, 6.4), and its inverse modulo 2^32. */
const [SPREAD, GATHER] = [0x9e3779b1, 0x0e8b2f51];

/** Hashes a key of 32 bits; different keys have different hashes. */
export function hashWord(key: number): number {
  const product = Math.imul(key, SPREAD);
  return product ^ (product >>> 16);
}

/** Returns the key, from 0, of a hash. */
export function unhashWord(hash: number): number {
  return Math.imul(hash ^ (hash >>> 16), GATHER) >>> 0;
}

/** Returns the first place from `place` on that has the hash or is free; places wrap around. */
export function probe(index: Int32Array, hash: number, place: number): number {
  const mask = (index.length >>> 1) - 1;
  let at = place & mask;
  while (index[2 * at + 1] !== 0 && index[2 * at] !== hash) at = (at + 1) & mask;
  return at;
}

/** Returns the id in a place; 0 if it is free. */
export function idAt(index: Int32Array, place: number): number {
  return index[2 * place + 1]!;
}

/** Adds an id to the free place where `probe` ended. */
export function fillPlace(index: Int32Array, place: number, hash: number, id: number): void {
  index[2 * place] = hash;
  index[2 * place + 1] = id;
}

/**
 * Removes an id of the index. Ids after it move back, so that every search still finds them (Knuth, The Art of Computer
 * Programming 3, 6.4, algorithm R).
 */
export function removeId(index: Int32Array, hash: number, id: number): void {
  const mask = (index.length >>> 1) - 1;
  let gap = hash & mask;
  while (index[2 * gap + 1] !== id) gap = (gap + 1) & mask;
  for (let at = (gap + 1) & mask; index[2 * at + 1] !== 0; at = (at + 1) & mask) {
    // The first place of its hash is cyclically after the gap.
    if (((at - index[2 * at]!) & mask) < ((at - gap) & mask)) continue;
    fillPlace(index, gap, index[2 * at]!, index[2 * at + 1]!);
    gap = at;
  }
  fillPlace(index, gap, 0, 0);
}

/**
 * Returns an index for `numIds` ids: the index itself, or a larger one with its ids, of at least twice its size, so
 * that the cost per id is constant; threads share it if they share the index.
 * @returns undefined if there are too many ids
 */
export function reserveIds(index: Int32Array, numIds: number): Int32Array | undefined {
  if (3 * numIds <= index.length) return index;
  const words = indexWords(numIds);
  if (words === undefined) return undefined;
  const larger = allocateLike(index, words);
  const mask = (words >>> 1) - 1;
  for (let i = 0; i < index.length; i += 2) {
    if (index[i + 1] === 0) continue;
    let at = index[i]! & mask;
    while (larger[2 * at + 1] !== 0) at = (at + 1) & mask;
    fillPlace(larger, at, index[i]!, index[i + 1]!);
  }
  return larger;
}
