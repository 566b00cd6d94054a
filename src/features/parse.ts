import { BadValue } from './feature.js';

/** Ids are kept as unsigned integers of 32 bits, and a table is indexed with signed ones. */
export const LARGEST_ID = 2 ** 31 - 1;

/** Ids with letters in them are likely to be texts. */
const TAKE_TOKENS = 'correct the row, or where ids are texts, give the field encoding: { name: tokens }';

const TAKE_WHOLE = "write ids without decimals, as in 7; pandas does after astype('Int64')";
const TAKE_ROWS =
  'correct the row, or where ids are that large, give the field encoding: { name: tokens }, or { name: hash, buckets: … }';

/** A whole number from 0 to 2^31 - 1, in digits alone. */
export function parseId(text: string): number {
  let id = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) throw new BadValue('an id: a whole number in digits', idCure(text));
    id = id * 10 + digit;
    if (id > LARGEST_ID) throw new BadValue(`an id of at most ${LARGEST_ID}`, TAKE_ROWS);
  }
  if (text.length === 0)
    throw new BadValue(
      'an id: a whole number in digits',
      'correct the row, or say what an empty cell is: fillMissing: unknown or fillMissing: token',
    );
  return id;
}

/** What to do about ids that are written as numbers with decimals, or are none. */
function idCure(text: string): string | undefined {
  if (/^\d+\.0*$/.test(text)) return TAKE_WHOLE;
  return NUMBER.test(text) ? undefined : TAKE_TOKENS;
}

/** Stands in a text for bytes that were none: half of a surrogate pair, which no UTF-8 gives. */
export const NOT_TEXT = '\udfff';
/** By characters: it is also the second half of some, such as the darkest skin tone of emoji. */
const NO_CHARACTER = /\udfff/u;

/** Whether a text holds bytes that were none. */
export function holdsNotText(text: string): boolean {
  return text.includes(NOT_TEXT) && NO_CHARACTER.test(text);
}

const NAME_ENCODING = 'correct the row, or name the encoding of the file, as in data.encoding: windows-1252';

/** Any text. Bytes that are no text all look alike once they are read: they would make one token of many. */
export function parseText(text: string): string {
  if (holdsNotText(text)) throw new BadValue('UTF-8 text', NAME_ENCODING);
  return text;
}

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** A finite decimal number that a float of 32 bits can hold. */
export function parseNumber(text: string): number {
  const plain = plainDecimal(text);
  if (!Number.isNaN(plain)) return plain;
  if (!NUMBER.test(text)) throw new BadValue('a decimal number', numberCure(text));
  const number = Number(text);
  if (!Number.isFinite(Math.fround(number))) throw new BadValue('a number within the range of a 32-bit float');
  return number;
}

/** What to do about numbers as people write them. */
function numberCure(text: string): string | undefined {
  if (/^[+-]?\d+,\d+$/.test(text))
    return 'correct the row, or set data.decimal: "," where the comma stands before decimals (of a CSV; other files write a dot); thousands are written without a separator';
  if (/^\p{L}/u.test(text))
    return "correct the row, or name words that mean nothing, as in nullValues: ['NA']; a column of texts is categorical";
  return /^[+-]?\d{1,3}([.,' _\u00a0\u202f]\d{3})+([.,]\d+)?$/.test(text)
    ? 'write thousands without a separator'
    : undefined;
}

/** Digits, exactly as doubles, and powers of ten. */
const MAX_PLAIN_DIGITS = 15;
const POWERS_OF_TEN = Array.from({ length: MAX_PLAIN_DIGITS + 1 }, (_, i) => 10 ** i);

/**
 * The number that up to 15 digits with at most one dot are, as `Number` gives it: a quotient of two numbers that a
 * double holds
 * exactly is rounded once (Clinger 1990). NaN for any other text, in about half the time of a regular expression and
 * `Number`.
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
 * A label of a classification: 0 or 1.
 * @param column where it stands
 */
export function parseClass(text: string, column: string): number {
  if (text === '0' || text === '1') return text === '1' ? 1 : 0;
  const number = NUMBER.test(text) ? Number(text) : NaN;
  if (number !== 0 && number !== 1) throw new BadValue('0 or 1', classCure(column, number));
  return number;
}

/** What to do about a label that is told in words, or by a number. */
function classCure(column: string, number: number): string {
  if (Number.isNaN(number))
    return `correct the row, or say which text is a 1, as in label: { column: ${column}, equals: 'yes' }`;
  return `correct the row, or say which numbers are a 1, as in label: { column: ${column}, above: 3 }; or type: regression where the number is to be predicted`;
}
