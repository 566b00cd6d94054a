import { isDecimal, separatorCure } from '../text/decimal.js';
import { InvalidValueError as BadValue } from '../text/invalid-value.js';

/** Ids are stored as unsigned 32-bit integers, but table indices are signed. */
export const LARGEST_ID = 2 ** 31 - 1;

/** Ids with letters are probably strings. */
const TAKE_TOKENS = 'correct the row, or set encoding: tokens if ids are strings';

const TAKE_WHOLE = "write ids without decimals, such as 7; in pandas, use astype('Int64')";
const TAKE_ROWS = 'correct the row, or set encoding: tokens or encoding: { name: hash, buckets: … } for such large ids';

/** Parses an integer from 0 to 2^31 - 1 in digits. */
export function parseId(text: string): number {
  let id = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) throw new BadValue('an integer id in digits', idCure(text));
    id = id * 10 + digit;
    if (id > LARGEST_ID) throw new BadValue(`an id of at most ${LARGEST_ID}`, TAKE_ROWS);
  }
  if (text.length === 0)
    throw new BadValue('an integer id in digits', 'correct the row, or set fillMissing: unknown or fillMissing: token');
  return id;
}

/** Suggests a fix for ids written with decimals, or for other values. */
function idCure(text: string): string | undefined {
  if (/^\d+\.0*$/.test(text)) return TAKE_WHOLE;
  return isDecimal(text) ? undefined : TAKE_TOKENS;
}

/** Marks invalid bytes in a decoded string: half of a surrogate pair, which no valid UTF-8 contains. */
export const NOT_TEXT = '\udfff';
/** Matches by code point: the mark is also the second half of some characters, such as the darkest emoji skin tone. */
const NO_CHARACTER = /\udfff/u;

/** Returns whether a decoded string contains invalid bytes. */
export function holdsNotText(text: string): boolean {
  return text.includes(NOT_TEXT) && NO_CHARACTER.test(text);
}

const NAME_ENCODING = 'correct the row, or set the encoding of the file, such as data.encoding: windows-1252';

/** Parses a string. Different invalid bytes decode to the same mark and would merge into one token. */
export function parseText(text: string): string {
  if (holdsNotText(text)) throw new BadValue('valid UTF-8', NAME_ENCODING);
  return text;
}

/** Parses a finite decimal number in the range of a 32-bit float. */
export function parseNumber(text: string): number {
  const plain = plainDecimal(text);
  if (!Number.isNaN(plain)) return plain;
  if (!isDecimal(text)) throw new BadValue('a decimal number', numberCure(text));
  const number = Number(text);
  if (!Number.isFinite(Math.fround(number))) throw new BadValue('a number within the range of a 32-bit float');
  return number;
}

/** Suggests a fix for numbers in other notations. */
function numberCure(text: string): string | undefined {
  const cure = separatorCure(text, '.');
  if (cure !== undefined) return cure;
  if (/^\p{L}/u.test(text))
    return "correct the row, or list null values, such as nullValues: ['NA']; for strings, use type: categorical";
  return /^[+-]?\d{1,3}(['_ \u00a0\u202f]\d{3})+([.,]\d+)?$/.test(text)
    ? 'write thousands without a separator'
    : undefined;
}

/** Digits that a double represents exactly, and their powers of ten. */
const MAX_PLAIN_DIGITS = 15;
const POWERS_OF_TEN = Array.from({ length: MAX_PLAIN_DIGITS + 1 }, (_, i) => 10 ** i);

/**
 * Parses up to 15 digits with at most one dot, exactly as `Number`: the quotient of two exact doubles is rounded once
 * (Clinger 1990). Returns NaN for other strings. About twice as fast as a regular expression and `Number`.
 */
function plainDecimal(text: string): number {
  const { length } = text;
  if (length > MAX_PLAIN_DIGITS) return NaN;
  let digits = 0;
  let dot = -1;
  for (let i = 0; i < length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit >= 0 && digit <= 9) digits = digits * 10 + digit;
    else if (digit === -2 && dot < 0) dot = i;
    else return NaN;
  }
  if (dot < 0) return length === 0 ? NaN : digits;
  return length === 1 ? NaN : digits / POWERS_OF_TEN[length - dot - 1]!;
}

/**
 * Parses a classification label: 0 or 1.
 * @param column its column, for the error
 */
export function parseClass(text: string, column: string): number {
  if (text === '0' || text === '1') return text === '1' ? 1 : 0;
  const number = isDecimal(text) ? Number(text) : NaN;
  if (number !== 0 && number !== 1) throw new BadValue('0 or 1', classCure(column, number));
  return number;
}

/** Suggests a fix for a label that is a string or another number. */
function classCure(column: string, number: number): string {
  if (Number.isNaN(number))
    return `correct the row, or define the positive value, such as label: { column: ${column}, equals: 'yes' }`;
  return (
    `correct the row, or define positives, such as label: { column: ${column}, above: 3 }; ` +
    'set type: regression to predict the number'
  );
}
