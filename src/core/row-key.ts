// A key stands for the raw cell of a named column, so that rows can be compared by it: those of one user, of one hour.
// It has 64 bits,
// two words a row, the lower one first. Whole numbers below 2^53, written as numbers are, are themselves; any other
// text is hashed to
// 63 bits (`keyWriter` in data): of 10 million texts, two share a key with odds of 5 in a million, of 100 million with
// 5 in 10,000.

/** Words of 32 bits that a key takes. */
export const KEY_WORDS = 2;
/** The upper word of the key of a cell that holds nothing. */
export const BLANK_WORD = 0x40000000;
/** Set in the upper word of a text's hash. */
export const TEXT_BIT = 0x80000000;

/** What the keys of a column of the data are called in a batch. The column may be a feature too. */
export function keyColumn(column: string): string {
  return `key.${column}`;
}

/** What the label column of a batch is called that tells which of its rows have the same key. */
export function groupColumn(column: string): string {
  return `group.${column}`;
}

/** The texts of keys that are hashes, by the digits of the key; null where a column has more than are kept. */
export type KeyTexts = ReadonlyMap<string, string> | null;

/** Texts of a column that are kept: enough for the segments of a report, and few beside the rows. */
export const MAX_KEY_TEXTS = 1000;

/** The digits of a key, under which its text is kept. */
export function keyDigits(low: number, high: number): string {
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
}

/** Adds the texts of some rows of a column to those of others. */
export function joinKeyTexts(texts: KeyTexts, more: KeyTexts): KeyTexts {
  if (texts === null || more === null) return null;
  const all = new Map([...texts, ...more]);
  return all.size > MAX_KEY_TEXTS ? null : all;
}

/** What stood in the cells of a key, for people; a hash whose text was not kept is shown as one. */
export function textOfKey(low: number, high: number, texts: KeyTexts = null): string {
  if (high === BLANK_WORD) return '(blank)';
  if (high < TEXT_BIT) return String(high * 2 ** 32 + low);
  const digits = keyDigits(low, high);
  return texts?.get(digits) ?? `#${digits}`;
}

/**
 * Numbers the groups of equal keys among some rows, from 0 on in the order of their first rows.
 * @param keys two words a row
 * @param into takes a number a row: exact, since a batch has no more rows than a float has whole numbers; -1 of a row
 * whose cell is blank, which is in no group
 * @returns how many groups there are
 */
export function numberGroups(keys: Uint32Array, rows: number, into: Float32Array): number {
  let bits = 4;
  while (1 << bits < 2 * rows) bits++;
  const mask = (1 << bits) - 1;
  /** By place: one more than the first row of a group, or 0. */
  const firsts = new Uint32Array(1 << bits);
  let count = 0;
  for (let row = 0; row < rows; row++) {
    const [low, high] = [keys[2 * row]!, keys[2 * row + 1]!];
    if (high === BLANK_WORD) {
      into[row] = -1;
      continue;
    }
    let place = placeOfKey(low, high) & mask;
    let first = firsts[place]!;
    while (first !== 0 && (keys[2 * (first - 1)] !== low || keys[2 * first - 1] !== high))
      first = firsts[(place = (place + 1) & mask)]!;
    if (first === 0) {
      firsts[place] = row + 1;
      into[row] = count++;
    } else {
      into[row] = into[first - 1]!;
    }
  }
  return count;
}

/** Spreads keys over the places of a hash table: the mixer of MurmurHash3 (Appleby, public domain) over both words. */
export function placeOfKey(low: number, high: number): number {
  let hash = low ^ Math.imul(high, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
