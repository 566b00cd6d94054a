import { indexWords } from '../../core/hash-index.js';
import { indexKey, type KeyTable } from '../../core/key-table.js';
import type { StringPool } from './string-pool.js';

/** The table of a pool's strings, whose ids are their positions plus one. In shared memory. */
export interface TextTable extends StringPool, KeyTable {}

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
  const table = attachIndex({ bytes, offsets }, index);
  let repeated = 0;
  for (let id = 1; id <= numTexts; id++) if (!isVacant(table, id) && !indexKey(table, id)) repeated++;
  return { table, repeated };
}

/** Creates a table from strings and their index. */
export function attachIndex({ bytes, offsets }: StringPool, index: Int32Array): TextTable {
  return { bytes, offsets, begins: offsets, ends: offsets.subarray(1), index };
}

/** Returns whether a value is a table, even from another thread. */
export function isTextTable(value: unknown): value is TextTable {
  return typeof value === 'object' && value !== null && 'index' in value && value.index instanceof Int32Array;
}
