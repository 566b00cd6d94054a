import { allocateLike, grown } from './grown.js';
import { fillPlace, idAt, indexWords, probe, removeId, reserveIds } from './hash-index.js';
import { murmur3 } from './murmur.js';

// A key table numbers distinct keys, which are bytes, from 1. Everything else that belongs to a key, such as its count,
// is an array by id of the table's owner. Tables are plain data: threads share one whose memory is shared.

/** Maximum total bytes of keys: their begins have 32 bits. */
export const MAX_KEY_BYTES = 2 ** 32 - 1;
/** Minimum memory that is allocated for keys, in bytes. */
const MIN_BYTES = 1 << 10;
const MIN_KEYS = 1 << 9;
const SEED = 0x5eed;

/** Keys that are looked up. */
export interface KeyTable {
  readonly bytes: Uint8Array;
  /** Begin and end of each key in `bytes`; id 1 is at index 0. */
  readonly begins: Uint32Array;
  readonly ends: Uint32Array;
  readonly index: Int32Array;
}

/**
 * Keys that are added and removed. `begins` and `ends` may be one array with the begin of each key, followed by the end
 * of the last (`ends` is `begins` from index 1), if no key is removed.
 */
export interface MutableKeyTable {
  bytes: Uint8Array;
  begins: Uint32Array;
  /** An id without a key has an empty one. */
  ends: Uint32Array;
  index: Int32Array;
  /** Begin of the free memory in `bytes`. */
  numBytes: number;
  /** Bytes before it that have no key. */
  numUnused: number;
  numKeys: number;
  /** Highest id that ever had a key. */
  highest: number;
  /** The first id without a key below `highest`, whose begin is the next one; 0 if there is none. */
  firstFree: number;
}

/** Keys as values of a column: key i is stored from `begins[i · stride] + gap` to `ends[i · stride]`. */
export interface KeyColumn extends Omit<KeyTable, 'index'> {
  readonly stride: number;
  readonly gap: number;
}

/** Writes the ids of the first keys of a column to `into`, from `first`. */
export type FindKeys = (
  keys: KeyColumn,
  count: number,
  into: Uint32Array | Float32Array | Float64Array,
  first: number,
) => void;

/** Creates an empty table in memory of one thread, to which keys are only added: 4 bytes per key besides the index. */
export function createAppendOnlyTable(): MutableKeyTable {
  const begins = new Uint32Array(MIN_KEYS + 1);
  return emptyTable(begins, begins.subarray(1), 0);
}

/**
 * Creates an empty table in memory of one thread.
 * @param capacity number of keys for which arrays are allocated, which take no physical memory until they are written
 */
export function createKeyTable(capacity = MIN_KEYS): MutableKeyTable {
  return emptyTable(new Uint32Array(capacity), new Uint32Array(capacity), capacity);
}

function emptyTable(begins: Uint32Array, ends: Uint32Array, capacity: number): MutableKeyTable {
  const index = new Int32Array(indexWords(capacity)!);
  const bytes = new Uint8Array(MIN_BYTES);
  return { bytes, begins, ends, index, numBytes: 0, numUnused: 0, numKeys: 0, highest: 0, firstFree: 0 };
}

/** Hashes the bytes in `begin`…`end`. */
export function hashKey(bytes: Uint8Array, begin: number, end: number): number {
  return murmur3(bytes, begin, end, SEED) | 0;
}

/** Returns the id of the key in `begin`…`end`; 0 if there is none. */
export function findKey(table: KeyTable, bytes: Uint8Array, begin: number, end: number): number {
  return idAt(table.index, findPlace(table, hashKey(bytes, begin, end), bytes, begin, end));
}

/**
 * Creates a function that finds many keys. Loads of one kind are grouped, so that their cache misses overlap.
 * @param table may change between calls
 */
export function createKeyFinder(table: KeyTable): FindKeys {
  let hashes = new Int32Array(MIN_KEYS);
  return ({ bytes, begins, ends, stride, gap }, count, into, first) => {
    const { index } = table;
    const mask = index.length / 2 - 1;
    hashes = grown(hashes, count);
    for (let i = 0; i < count; i++) hashes[i] = hashKey(bytes, begins[i * stride]! + gap, ends[i * stride]!);
    for (let i = 0; i < count; i++) into[first + i] = index[2 * (hashes[i]! & mask) + 1]!;
    for (let i = 0; i < count; i++) {
      const id = into[first + i]!;
      if (id === 0) continue;
      const hash = hashes[i]!;
      const begin = begins[i * stride]! + gap;
      const end = ends[i * stride]!;
      if (index[2 * (hash & mask)] === hash && isEqual(table, id, bytes, begin, end)) continue;
      into[first + i] = idAt(index, findPlace(table, hash, bytes, begin, end));
    }
  };
}

/** Adds the key that an id has in `bytes` to the index; returns false if another id has it. */
export function indexKey(table: KeyTable, id: number): boolean {
  const { bytes, begins, ends, index } = table;
  const [begin, end] = [begins[id - 1]!, ends[id - 1]!];
  const hash = hashKey(bytes, begin, end);
  const place = findPlace(table, hash, bytes, begin, end);
  if (idAt(index, place) !== 0) return false;
  fillPlace(index, place, hash, id);
  return true;
}

/**
 * Returns the id of a key, which is added if it is new: with the id that was removed last, else with the next one.
 * @param maxBytes maximum total bytes of keys
 * @returns 0 if the table is full
 */
export function addKey(
  table: MutableKeyTable,
  bytes: Uint8Array,
  begin: number,
  end: number,
  maxBytes = MAX_KEY_BYTES,
): number {
  const { index } = table;
  const hash = hashKey(bytes, begin, end);
  let place = findPlace(table, hash, bytes, begin, end);
  const known = idAt(index, place);
  if (known !== 0) return known;
  if (!reserveKeys(table, 1, end - begin, maxBytes)) return 0;
  if (table.index !== index) place = findPlace(table, hash, bytes, begin, end);
  const { firstFree } = table;
  if (firstFree === 0 && table.highest === table.ends.length) growIds(table);
  if (firstFree !== 0) table.firstFree = table.begins[firstFree - 1]!;
  const id = firstFree === 0 ? table.highest + 1 : firstFree;
  insertKey(table, place, hash, id, bytes, begin, end);
  return id;
}

/**
 * Gives an id without a key one, for which memory was reserved. The owner of the table chooses all ids.
 * @returns false if another id has the key
 */
export function putKey(table: MutableKeyTable, id: number, bytes: Uint8Array, begin: number, end: number): boolean {
  const hash = hashKey(bytes, begin, end);
  const place = findPlace(table, hash, bytes, begin, end);
  if (idAt(table.index, place) !== 0) return false;
  insertKey(table, place, hash, id, bytes, begin, end);
  return true;
}

/** Removes the key of an id. */
export function removeKey(table: MutableKeyTable, id: number): void {
  const { bytes, begins, ends } = table;
  const [begin, end] = [begins[id - 1]!, ends[id - 1]!];
  removeId(table.index, hashKey(bytes, begin, end), id);
  table.numUnused += end - begin;
  table.numKeys--;
  begins[id - 1] = ends[id - 1] = table.firstFree;
  table.firstFree = id;
}

/** Returns whether an id has a key that is not empty. */
export function hasKey({ begins, ends }: KeyTable, id: number): boolean {
  return ends[id - 1]! > begins[id - 1]!;
}

/** Returns the bytes of a key, which are valid until the next one is added. */
export function keyBytes({ bytes, begins, ends }: KeyTable, id: number): Uint8Array {
  return bytes.subarray(begins[id - 1], ends[id - 1]);
}

/**
 * Allocates memory for more keys with `numBytes` bytes in total; the memory of removed keys is used again.
 * @param maxBytes maximum total bytes of keys
 * @returns false for too many
 */
export function reserveKeys(
  table: MutableKeyTable,
  numKeys: number,
  numBytes: number,
  maxBytes = MAX_KEY_BYTES,
): boolean {
  const numUsed = table.numBytes - table.numUnused + numBytes;
  const index = reserveIds(table.index, table.numKeys + numKeys);
  if (numUsed > maxBytes || index === undefined) return false;
  table.index = index;
  if (table.numBytes + numBytes <= table.bytes.length) return true;
  const bytes = allocateLike(table.bytes, Math.min(MAX_KEY_BYTES, Math.max(MIN_BYTES, 2 * numUsed)));
  if (table.numUnused === 0) bytes.set(table.bytes.subarray(0, table.numBytes));
  else moveKeys(table, bytes);
  table.bytes = bytes;
  return true;
}

/** Moves all keys to other memory, one after the other. */
function moveKeys(table: MutableKeyTable, to: Uint8Array): void {
  const { bytes, begins, ends, highest } = table;
  let end = 0;
  for (let id = 1; id <= highest; id++) {
    if (!hasKey(table, id)) continue;
    const begin = end;
    for (let i = begins[id - 1]!; i < ends[id - 1]!; i++) to[end++] = bytes[i]!;
    begins[id - 1] = begin;
    ends[id - 1] = end;
  }
  table.numBytes = end;
  table.numUnused = 0;
}

function growIds(table: MutableKeyTable): void {
  const { begins, ends } = table;
  table.begins = grown(begins, begins.length + 1);
  table.ends = ends.buffer === begins.buffer ? table.begins.subarray(1) : grown(ends, ends.length + 1);
}

function insertKey(
  table: MutableKeyTable,
  place: number,
  hash: number,
  id: number,
  from: Uint8Array,
  begin: number,
  end: number,
): void {
  const { bytes } = table;
  let to = table.numBytes;
  table.begins[id - 1] = to;
  for (let i = begin; i < end; i++) bytes[to++] = from[i]!;
  table.ends[id - 1] = table.numBytes = to;
  fillPlace(table.index, place, hash, id);
  table.numKeys++;
  if (id > table.highest) table.highest = id;
}

/** Returns the place of a key in the index, or the free place where it belongs. */
function findPlace(table: KeyTable, hash: number, bytes: Uint8Array, begin: number, end: number): number {
  const { index } = table;
  for (let place = probe(index, hash, hash); ; place = probe(index, hash, place + 1)) {
    const id = idAt(index, place);
    if (id === 0 || isEqual(table, id, bytes, begin, end)) return place;
  }
}

function isEqual(table: KeyTable, id: number, from: Uint8Array, begin: number, end: number): boolean {
  const { bytes } = table;
  const own = table.begins[id - 1]!;
  const length = end - begin;
  if (table.ends[id - 1]! - own !== length) return false;
  let i = 0;
  while (i < length && bytes[own + i] === from[begin + i]) i++;
  return i === length;
}
