import { murmur3 } from '../murmur.js';
import type { StringPool } from './string-pool.js';

/** Texts, and the way from each to its id: its place plus one. Plain data whose memory threads share. */
export interface TextTable extends StringPool {
  /**
   * Of an open-addressing table at most two thirds full, two words a slot: the hash of a text, and its id. Fresh memory
   * is an
   * empty table.
   */
  readonly slots: Int32Array;
}

const SEED = 0x5eed;
/** So many slots can be told apart by 31 bits of a hash. */
const MAX_SLOTS = 2 ** 30;

/** Slots for so many texts, a power of two; undefined where there are too many for any. */
export function slotsFor(numTexts: number): number | undefined {
  const slots = 2 ** Math.ceil(Math.log2(Math.max(16, 1.5 * numTexts)));
  return slots <= MAX_SLOTS ? slots : undefined;
}

/** What stands in a vacant place, in UTF-8: U+FFFF, which Unicode keeps for use within programs. */
export const VACANT = Uint8Array.of(0xef, 0xbf, 0xbf);

/** Whether a place among texts is vacant: a text had it and has it no more. */
export function isVacant({ bytes, offsets }: StringPool, id: number): boolean {
  const begin = offsets[id - 1]!;
  return offsets[id]! - begin === VACANT.length && VACANT.every((byte, i) => bytes[begin + i] === byte);
}

/**
 * The table of different texts; no text has the id of a place that is vacant.
 * @throws Error where one is there twice, or there are too many
 */
export function createTextTable(texts: StringPool): TextTable {
  const { table, repeated } = indexTexts(texts);
  if (repeated > 0) throw new Error(`${repeated} of ${texts.offsets.length - 1} texts came before`);
  return table;
}

/**
 * The table of texts, in which those that are equal have the id of the first.
 * @returns also how many came before
 * @throws Error where there are too many
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

/** Whether something is a table, as it comes from another thread. */
export function isTextTable(value: unknown): value is TextTable {
  return typeof value === 'object' && value !== null && 'slots' in value && value.slots instanceof Int32Array;
}

/** The hash that a table has for the bytes from `begin` to `end`. */
export function hashText(text: Uint8Array, begin: number, end: number): number {
  return murmur3(text, begin, end, SEED) | 0;
}

/** The id of the text whose bytes lie from `begin` to `end`; 0 where the table has it not. */
export function idOf(table: TextTable, text: Uint8Array, begin: number, end: number): number {
  return table.slots[slotOf(table, hashText(text, begin, end), text, begin, end) + 1]!;
}

/** Where the slot of a text begins, or the free one where it belongs. */
export function slotOf(
  { bytes, offsets, slots }: TextTable,
  hash: number,
  text: Uint8Array,
  begin: number,
  end: number,
): number {
  const mask = slots.length / 2 - 1;
  for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
    const id = slots[2 * slot + 1]!;
    if (id === 0) return 2 * slot;
    if (slots[2 * slot] !== hash) continue;
    const from = offsets[id - 1]!;
    const length = end - begin;
    if (offsets[id]! - from !== length) continue;
    let i = 0;
    while (i < length && bytes[from + i] === text[begin + i]) i++;
    if (i === length) return 2 * slot;
  }
}

/** Puts what is in one table's slots into those of a larger one, which are empty. */
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
