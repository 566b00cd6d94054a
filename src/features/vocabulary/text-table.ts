import type { Target, Utf8 } from '../../chunks/column.js';
import { fillPlace, idAt, indexWords, probe } from '../../core/hash-index.js';
import { murmur3 } from '../murmur.js';
import type { StringPool } from './string-pool.js';

/** Strings with a hash index from each to its id, its position plus one. Plain data in shared memory. */
export interface TextTable extends StringPool {
  readonly index: Int32Array;
}

const SEED = 0x5eed;

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
  const words = indexWords(numTexts);
  if (words === undefined) throw new Error(`${numTexts} texts are too many for a table`);
  const index = new Int32Array(new SharedArrayBuffer(4 * words));
  const table = { bytes, offsets, index };
  let repeated = 0;
  for (let id = 1; id <= numTexts; id++) {
    if (isVacant({ bytes, offsets }, id)) continue;
    const hash = hashText(bytes, offsets[id - 1]!, offsets[id]!);
    const place = findPlace(table, hash, bytes, offsets[id - 1]!, offsets[id]!);
    if (idAt(index, place) === 0) fillPlace(index, place, hash, id);
    else repeated++;
  }
  return { table, repeated };
}

/** Returns whether a value is a table, even from another thread. */
export function isTextTable(value: unknown): value is TextTable {
  return typeof value === 'object' && value !== null && 'index' in value && value.index instanceof Int32Array;
}

/** Hashes the bytes in `begin`…`end`. */
export function hashText(text: Uint8Array, begin: number, end: number): number {
  return murmur3(text, begin, end, SEED) | 0;
}

/** Returns the id of the string whose bytes are in `begin`…`end`; 0 if there is none. */
export function idOf(table: TextTable, text: Uint8Array, begin: number, end: number): number {
  return idAt(table.index, findPlace(table, hashText(text, begin, end), text, begin, end));
}

/** Reused memory for hashes. */
let hashes = new Int32Array(1 << 10);

/**
 * Writes the ids of many strings to `into`, from `first`. Loads of one kind are grouped, so that their cache misses
 * overlap.
 */
export function findIds(table: TextTable, cells: Utf8, rows: number, into: Target, first: number): void {
  const { bytes, begins, ends, stride, gap } = cells;
  const { index } = table;
  const mask = index.length / 2 - 1;
  if (hashes.length < rows) hashes = new Int32Array(2 * rows);
  for (let row = 0; row < rows; row++) hashes[row] = hashText(bytes, begins[row * stride]! + gap, ends[row * stride]!);
  for (let row = 0; row < rows; row++) into[first + row] = index[2 * (hashes[row]! & mask) + 1]!;
  for (let row = 0; row < rows; row++) {
    const id = into[first + row]!;
    if (id === 0) continue;
    const hash = hashes[row]!;
    const begin = begins[row * stride]! + gap;
    const end = ends[row * stride]!;
    if (index[2 * (hash & mask)] === hash && isEqual(table, id, bytes, begin, end)) continue;
    into[first + row] = idAt(index, findPlace(table, hash, bytes, begin, end));
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

/** Returns the place of a string in the index, or the free place where it belongs. */
export function findPlace(table: TextTable, hash: number, text: Uint8Array, begin: number, end: number): number {
  const { index } = table;
  for (let place = probe(index, hash, hash); ; place = probe(index, hash, place + 1)) {
    const id = idAt(index, place);
    if (id === 0 || isEqual(table, id, text, begin, end)) return place;
  }
}
