// A key identifies the raw value of a column, so that rows can be grouped by it: by user, by hour. A key has 64 bits as
// two words per row, lower word first. Integers below 2^53 are their own key; other strings are hashed to 63 bits
// (`keyWriter` in data). Two of 10 million strings share a key with a probability of 5 in a million; of 100 million, 5
// in 10,000.

/** 32-bit words per key. */
export const KEY_WORDS = 2;
/** Upper word of the key of a missing value. */
export const BLANK_WORD = 0x40000000;
/** Flag in the upper word of a hashed string. */
export const TEXT_BIT = 0x80000000;

/** Returns the name of a key column in a batch; the column may also be a feature. */
export function keyColumn(column: string): string {
  return `key.${column}`;
}

/** Returns the name of the label column in a batch with the group number of each row. */
export function groupColumn(column: string): string {
  return `group.${column}`;
}

/** Strings of hashed keys by the digits of the key; null if a column exceeds `MAX_KEY_TEXTS`. */
export type KeyTexts = ReadonlyMap<string, string> | null;

/** Maximum number of stored strings per column: enough for the segments of a report. */
export const MAX_KEY_TEXTS = 1000;

/** Formats a key as hexadecimal digits. */
export function keyDigits(low: number, high: number): string {
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
}

/** Merges the strings of two sets of rows; null if there are too many. */
export function joinKeyTexts(texts: KeyTexts, more: KeyTexts): KeyTexts {
  if (texts === null || more === null) return null;
  const all = new Map([...texts, ...more]);
  return all.size > MAX_KEY_TEXTS ? null : all;
}

/** Formats a key for display: its value, or `#` and its digits if its string is not stored. */
export function textOfKey(low: number, high: number, texts: KeyTexts = null): string {
  if (high === BLANK_WORD) return '(blank)';
  if (high < TEXT_BIT) return String(high * 2 ** 32 + low);
  const digits = keyDigits(low, high);
  return texts?.get(digits) ?? `#${digits}`;
}
