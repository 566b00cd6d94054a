import { closeGap } from '../../core/open-addressing.js';
import { MAX_BYTES, type StringPool } from './string-pool.js';
import { hashText, isVacant, moveSlots, slotsFor, type TextTable } from './text-table.js';

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
  /** Hash table with the slots of a `TextTable`. */
  readonly slots: Int32Array;
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
 * Creates a table from all tokens, which has its texts and slots.
 * @param capacity at least the number of ids
 */
export function createTokenTable({ bytes, offsets, slots }: TextTable, capacity: number): TokenTable {
  const highest = offsets.length - 1;
  const ranges = new Uint32Array(new SharedArrayBuffer(8 * (capacity + 1)));
  let numTokens = 0;
  for (let id = 1; id <= highest; id++) {
    if (isVacant({ bytes, offsets }, id)) continue;
    ranges[2 * id] = offsets[id - 1]!;
    ranges[2 * id + 1] = offsets[id]!;
    numTokens++;
  }
  return { bytes, numBytes: bytes.length, ranges, highest, numTokens, slots };
}

/** Copies a table. */
export function copyTokenTable(table: TokenTable): TokenTable {
  const slots = new Int32Array(new SharedArrayBuffer(table.slots.byteLength));
  slots.set(table.slots);
  // Memory of unused ids is not written, so the system does not commit it.
  const ranges = new Uint32Array(new SharedArrayBuffer(table.ranges.byteLength));
  ranges.set(table.ranges.subarray(0, 2 * (table.highest + 1)));
  const bytes = new Uint8Array(new SharedArrayBuffer(table.bytes.length));
  bytes.set(table.bytes.subarray(0, table.numBytes));
  return { ...table, slots, ranges, bytes };
}

/** Returns the maximum number of tokens of a table. */
export function capacityOf({ ranges }: TokenTable): number {
  return ranges.length / 2 - 1;
}

/** Returns the bytes of a table. */
export function tokenTableBytes({ bytes, ranges, slots }: TokenTable): number {
  return bytes.byteLength + ranges.byteLength + slots.byteLength;
}

/** Returns the id of the token in `begin`…`end`; 0 if there is none. */
export function findToken(table: TokenTable, text: Uint8Array, begin: number, end: number): number {
  return table.slots[2 * findSlot(table, hashText(text, begin, end), text, begin, end) + 1]!;
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

/** Returns the index of the slot of a token, or of the free slot where it belongs. */
function findSlot({ slots, bytes, ranges }: TokenTable, hash: number, text: Uint8Array, begin: number, end: number) {
  const mask = slots.length / 2 - 1;
  const length = end - begin;
  for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
    const id = slots[2 * slot + 1]!;
    if (id === 0) return slot;
    const from = ranges[2 * id]!;
    if (slots[2 * slot] !== hash || ranges[2 * id + 1]! - from !== length) continue;
    let i = 0;
    while (i < length && bytes[from + i] === text[begin + i]) i++;
    if (i === length) return slot;
  }
}

/** Allocates memory for more tokens and bytes; returns false for too many. */
function reserve(table: MutableTable, numTokens: number, numBytes: number): boolean {
  const numSlots = slotsFor(table.numTokens + numTokens);
  if (numSlots === undefined) return false;
  if (2 * numSlots > table.slots.length) {
    // Twice as many at least, so that all rehashes together take time proportional to the tokens.
    const slots = new Int32Array(new SharedArrayBuffer(8 * numSlots));
    moveSlots(table.slots, slots);
    table.slots = slots;
  }
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
  const { slots, ranges, bytes, numBytes } = table;
  const hash = hashText(text, begin, end);
  const slot = findSlot(table, hash, text, begin, end);
  if (slots[2 * slot + 1] !== 0) return false;
  bytes.set(text.subarray(begin, end), numBytes);
  ranges[2 * id] = numBytes;
  ranges[2 * id + 1] = table.numBytes = numBytes + end - begin;
  slots[2 * slot] = hash;
  slots[2 * slot + 1] = id;
  table.numTokens++;
  table.highest = Math.max(table.highest, id);
  return true;
}

/** Removes the token of an id, if it has one. */
function erase(table: MutableTable, id: number): void {
  if (!hasToken(table, id)) return;
  const { slots, ranges, bytes } = table;
  const mask = slots.length / 2 - 1;
  let slot = hashText(bytes, ranges[2 * id]!, ranges[2 * id + 1]!) & mask;
  while (slots[2 * slot + 1] !== id) slot = (slot + 1) & mask;
  const free = closeGap(
    slot,
    mask,
    (at) => (slots[2 * at + 1] === 0 ? undefined : slots[2 * at]!),
    (from, to) => slots.copyWithin(2 * to, 2 * from, 2 * from + 2),
  );
  slots.fill(0, 2 * free, 2 * free + 2);
  ranges.fill(0, 2 * id, 2 * id + 2);
  table.numTokens--;
}
