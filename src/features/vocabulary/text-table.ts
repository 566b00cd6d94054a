import type { Target, Utf8 } from '../../chunks/column.js';
import { murmur3 } from '../murmur.js';
import type { StringPool } from './string-pool.js';

/** Strings with a hash index from each to its id, its index plus one. Plain data in shared memory. */
export interface TextTable extends StringPool {
  /**
   * Open-addressing hash table, at most two thirds full, with two words per slot: hash and id. Zeroed memory is an
   * empty table.
   */
  readonly slots: Int32Array;
}

const SEED = 0x5eed;
/** Maximum number of slots that 31 hash bits address. */
const MAX_SLOTS = 2 ** 30;

/** Returns the number of slots for `numTexts` strings, a power of two; undefined if there are too many. */
export function slotsFor(numTexts: number): number | undefined {
  const slots = 2 ** Math.ceil(Math.log2(Math.max(16, 1.5 * numTexts)));
  return slots <= MAX_SLOTS ? slots : undefined;
}

/** Content of a vacant slot in UTF-8: U+FFFF, a Unicode noncharacter. */
export const VACANT = Uint8Array.of(0xef, 0xbf, 0xbf);

/** Returns whether an id is vacant: it was assigned and released. */
export function isVacant({ bytes, offsets }: StringPool, id: number): boolean {
  const begin = offsets[id - 1]!;
  return offsets[id]! - begin === VACANT.length && VACANT.every((byte, i) => bytes[begin + i] === byte);
}

/**
 * Builds the table of distinct strings; vacant ids are not indexed.
 * @throws Error for duplicates or too many strings
 */
export function createTextTable(texts: StringPool): TextTable {
  const { table, repeated } = indexTexts(texts);
  if (repeated > 0) throw new Error(`${repeated} of ${texts.offsets.length - 1} texts came before`);
  return table;
}

/**
 * Builds the table of strings; duplicates share the id of the first.
 * @returns also the number of duplicates
 * @throws Error for too many strings
 */
export function indexTexts({ bytes, offsets }: StringPool): { readonly table: TextTable; readonly repeated: number } {
  const numTexts = offsets.length - 1;
  const numSlots = slotsFor(numTexts);
  if (numSlots === undefined) throw new Error(`${numTexts} texts are too many for a table`);
  const table = { bytes, offsets, slots: new Int32Array(new SharedArrayBuffer(8 * numSlots)) };
  let repeated = 0;
  for (let id = 1; id <= numTexts; id++) {
    if (isVacant({ bytes, offsets }, id)) continue;
    const hash = hashText(bytes, offsets[id - 1]!, offsets[id]!);
    const slot = slotOf(table, hash, bytes, offsets[id - 1]!, offsets[id]!);
    if (table.slots[slot + 1] !== 0) {
      repeated++;
      continue;
    }
    table.slots[slot] = hash;
    table.slots[slot + 1] = id;
  }
  return { table, repeated };
}

/** Returns whether a value is a table, even from another thread. */
export function isTextTable(value: unknown): value is TextTable {
  return typeof value === 'object' && value !== null && 'slots' in value && value.slots instanceof Int32Array;
}

/** Hashes the bytes in `begin`…`end`. */
export function hashText(text: Uint8Array, begin: number, end: number): number {
  return murmur3(text, begin, end, SEED) | 0;
}

/** Returns the id of the string whose bytes are in `begin`…`end`; 0 if there is none. */
export function idOf(table: TextTable, text: Uint8Array, begin: number, end: number): number {
  return table.slots[slotOf(table, hashText(text, begin, end), text, begin, end) + 1]!;
}

/** Reused memory for hashes. */
let hashes = new Int32Array(1 << 10);

/**
 * Writes the ids of many strings to `into`, from `first`. Loads of one kind are grouped, so that their cache misses
 * overlap.
 */
export function findIds(table: TextTable, cells: Utf8, rows: number, into: Target, first: number): void {
  const { bytes, begins, ends, stride, gap } = cells;
  const { slots } = table;
  const mask = slots.length / 2 - 1;
  if (hashes.length < rows) hashes = new Int32Array(2 * rows);
  for (let row = 0; row < rows; row++) hashes[row] = hashText(bytes, begins[row * stride]! + gap, ends[row * stride]!);
  for (let row = 0; row < rows; row++) into[first + row] = slots[2 * (hashes[row]! & mask) + 1]!;
  for (let row = 0; row < rows; row++) {
    const id = into[first + row]!;
    if (id === 0) continue;
    const hash = hashes[row]!;
    const begin = begins[row * stride]! + gap;
    const end = ends[row * stride]!;
    if (slots[2 * (hash & mask)] === hash && isEqual(table, id, bytes, begin, end)) continue;
    into[first + row] = slots[slotOf(table, hash, bytes, begin, end) + 1]!;
  }
}

function isEqual({ bytes, offsets }: TextTable, id: number, text: Uint8Array, begin: number, end: number): boolean {
  const from = offsets[id - 1]!;
  const length = end - begin;
  if (offsets[id]! - from !== length) return false;
  let i = 0;
  while (i < length && bytes[from + i] === text[begin + i]) i++;
  return i === length;
}

/** Returns the offset of the slot of a string, or of the free slot where it belongs. */
export function slotOf(table: TextTable, hash: number, text: Uint8Array, begin: number, end: number): number {
  const { slots } = table;
  const mask = slots.length / 2 - 1;
  for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
    const id = slots[2 * slot + 1]!;
    if (id === 0 || (slots[2 * slot] === hash && isEqual(table, id, text, begin, end))) return 2 * slot;
  }
}

/** Rehashes slots into a larger, empty array. */
export function moveSlots(from: Int32Array, to: Int32Array): void {
  const mask = to.length / 2 - 1;
  for (let i = 0; i < from.length; i += 2) {
    if (from[i + 1] === 0) continue;
    let slot = from[i]! & mask;
    while (to[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
    to[2 * slot] = from[i]!;
    to[2 * slot + 1] = from[i + 1]!;
  }
}
