import { fillPlace, idAt, probe, removeId, reserveIds } from '../../core/hash-index.js';
import { MAX_BYTES, type StringPool } from './string-pool.js';
import { hashText, isVacant, type TextTable } from './text-table.js';

/**
 * Tokens with ids from 1 up to a capacity, which change while a model is served. Plain data in shared memory; only
 * `changeTokens` writes to it.
 */
export interface TokenTable {
  /** Texts in any order, among those of removed tokens. */
  readonly bytes: Uint8Array;
  /** Number of bytes of all texts, also removed ones. */
  readonly numBytes: number;
  /** Begin and end of the text of each id, from id 0; equal for an id without a token. */
  readonly ranges: Uint32Array;
  /** Highest id that ever had a token. */
  readonly highest: number;
  readonly numTokens: number;
  /** Hash index of tokens. */
  readonly index: Int32Array;
}

/** A growing vocabulary for predictions alone, whose tokens are replaced while it is served. Plain data. */
export interface ServedTokens {
  /** Tokens at first, by their ids; they describe the rows of the table. */
  readonly first: StringPool;
  readonly table: TokenTable;
}

/** Returns whether what a field fitted is a vocabulary of a server, even from another thread. */
export function isServedTokens(fitted: unknown): fitted is ServedTokens {
  return typeof fitted === 'object' && fitted !== null && 'table' in fitted && 'first' in fitted;
}

/** Changes of tokens: first, `removed` lose theirs; then each id with a text gets it in place of its own. */
export interface TokenChanges {
  readonly removed: Uint32Array;
  /** Ids whose tokens were used. */
  readonly used: Uint32Array;
  /** Text of each id of `used`, empty for the one that it has: `bytes[offsets[i]]`…`bytes[offsets[i + 1]]`. */
  readonly texts: { readonly bytes: Uint8Array; readonly offsets: Uint32Array };
}

type MutableTable = { -readonly [Key in keyof TokenTable]: TokenTable[Key] };

/** Minimum size of reallocated texts. */
const MIN_BYTES = 1 << 10;

/**
 * Creates a table from all tokens, which has its texts and index.
 * @param capacity at least the number of ids
 */
export function createTokenTable({ bytes, offsets, index }: TextTable, capacity: number): TokenTable {
  const highest = offsets.length - 1;
  const ranges = new Uint32Array(new SharedArrayBuffer(8 * (capacity + 1)));
  let numTokens = 0;
  for (let id = 1; id <= highest; id++) {
    if (isVacant({ bytes, offsets }, id)) continue;
    ranges[2 * id] = offsets[id - 1]!;
    ranges[2 * id + 1] = offsets[id]!;
    numTokens++;
  }
  return { bytes, numBytes: bytes.length, ranges, highest, numTokens, index };
}

/** Copies a table. */
export function copyTokenTable(table: TokenTable): TokenTable {
  const index = createShared(table.index.length);
  index.set(table.index);
  // Memory of unused ids is not written, so the system does not commit it.
  const ranges = new Uint32Array(new SharedArrayBuffer(table.ranges.byteLength));
  ranges.set(table.ranges.subarray(0, 2 * (table.highest + 1)));
  const bytes = new Uint8Array(new SharedArrayBuffer(table.bytes.length));
  bytes.set(table.bytes.subarray(0, table.numBytes));
  return { ...table, index, ranges, bytes };
}

/** Returns the maximum number of tokens of a table. */
export function capacityOf({ ranges }: TokenTable): number {
  return ranges.length / 2 - 1;
}

/** Returns the bytes of a table. */
export function tokenTableBytes({ bytes, ranges, index }: TokenTable): number {
  return bytes.byteLength + ranges.byteLength + index.byteLength;
}

/** Returns the id of the token in `begin`…`end`; 0 if there is none. */
export function findToken(table: TokenTable, text: Uint8Array, begin: number, end: number): number {
  return idAt(table.index, findPlace(table, hashText(text, begin, end), text, begin, end));
}

/**
 * Changes tokens in place, in time proportional to the changes (amortized); no other thread may read the table.
 * @returns the table, of which arrays may have been reallocated; undefined if the changes are not those of this table,
 * or too large: its content is undefined then
 */
export function changeTokens(table: TokenTable, { removed, used, texts }: TokenChanges): TokenTable | undefined {
  const next: MutableTable = { ...table };
  const capacity = capacityOf(table);
  const { bytes, offsets } = texts;
  for (const ids of [removed, used]) if (ids.some((id) => id === 0 || id > capacity)) return undefined;
  for (const id of removed) erase(next, id);
  for (const [i, id] of used.entries()) if (offsets[i + 1]! > offsets[i]!) erase(next, id);
  if (!reserve(next, used.length, bytes.length)) return undefined;
  for (const [i, id] of used.entries()) {
    const [begin, end] = [offsets[i]!, offsets[i + 1]!];
    if (end === begin ? !hasToken(next, id) : !place(next, id, bytes, begin, end)) return undefined;
  }
  return next;
}

function hasToken({ ranges }: TokenTable, id: number): boolean {
  return ranges[2 * id]! < ranges[2 * id + 1]!;
}

function createShared(words: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * words));
}

/** Returns the place of a token in the index, or the free place where it belongs. */
function findPlace(table: TokenTable, hash: number, text: Uint8Array, begin: number, end: number): number {
  const { index } = table;
  for (let place = probe(index, hash, hash); ; place = probe(index, hash, place + 1)) {
    const id = idAt(index, place);
    if (id === 0 || isToken(table, id, text, begin, end)) return place;
  }
}

function isToken({ bytes, ranges }: TokenTable, id: number, text: Uint8Array, begin: number, end: number): boolean {
  const from = ranges[2 * id]!;
  const length = end - begin;
  if (ranges[2 * id + 1]! - from !== length) return false;
  let i = 0;
  while (i < length && bytes[from + i] === text[begin + i]) i++;
  return i === length;
}

/** Allocates memory for more tokens and bytes; returns false for too many. */
function reserve(table: MutableTable, numTokens: number, numBytes: number): boolean {
  const index = reserveIds(table.index, table.numTokens + numTokens, createShared);
  if (index === undefined) return false;
  table.index = index;
  return table.numBytes + numBytes <= table.bytes.length || compact(table, numBytes);
}

/** Moves all texts to memory for as many bytes again, without those of removed tokens; returns false for too many. */
function compact(table: MutableTable, numFree: number): boolean {
  const { bytes: from, ranges, highest } = table;
  let numBytes = 0;
  for (let id = 1; id <= highest; id++) numBytes += ranges[2 * id + 1]! - ranges[2 * id]!;
  if (numBytes + numFree > MAX_BYTES) return false;
  const numAllocated = Math.min(MAX_BYTES, Math.max(MIN_BYTES, 2 * (numBytes + numFree)));
  const bytes = new Uint8Array(new SharedArrayBuffer(numAllocated));
  let end = 0;
  for (let id = 1; id <= highest; id++) {
    if (!hasToken(table, id)) continue;
    const text = from.subarray(ranges[2 * id], ranges[2 * id + 1]);
    bytes.set(text, end);
    ranges[2 * id] = end;
    ranges[2 * id + 1] = end += text.length;
  }
  table.bytes = bytes;
  table.numBytes = end;
  return true;
}

/** Adds a token; returns false if another id has it. */
function place(table: MutableTable, id: number, text: Uint8Array, begin: number, end: number): boolean {
  const { index, ranges, bytes, numBytes } = table;
  const hash = hashText(text, begin, end);
  const found = findPlace(table, hash, text, begin, end);
  if (idAt(index, found) !== 0) return false;
  bytes.set(text.subarray(begin, end), numBytes);
  ranges[2 * id] = numBytes;
  ranges[2 * id + 1] = table.numBytes = numBytes + end - begin;
  fillPlace(index, found, hash, id);
  table.numTokens++;
  table.highest = Math.max(table.highest, id);
  return true;
}

/** Removes the token of an id, if it has one. */
function erase(table: MutableTable, id: number): void {
  if (!hasToken(table, id)) return;
  const { index, ranges, bytes } = table;
  removeId(index, hashText(bytes, ranges[2 * id]!, ranges[2 * id + 1]!), id);
  ranges.fill(0, 2 * id, 2 * id + 2);
  table.numTokens--;
}
