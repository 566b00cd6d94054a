import { printable } from '../core/errors.js';
import type { FeatureColumns } from './feature-columns.js';

// The raw format: commas separate the values of a line, \x01 separates the features in the last value, and \x02 and
// \x03 the parts of a feature. A line feed ends every line. `readOddFeatures` defines which lists of features are
// valid; kernels read only lists that are plainly valid, with the same results.

const [VALUE_START, LINE_END, COMMA, ZERO] = [3, 10, 44, 48] as const;
/** Maximum length of the value in an error. */
const FOUND_BYTES = 60;

/** Why a line is invalid. */
export class BadLine extends Error {
  override readonly name = 'BadLine';

  constructor(
    readonly expected: string,
    readonly found: string,
  ) {
    super(expected);
  }
}

/** Reads the values of a line in turn. */
export class LineReader {
  /** Start of the next value. */
  at = 0;

  constructor(readonly bytes: Buffer) {}

  /** Skips a value, and returns its end. @throws BadLine */
  skipCell(name: string): number {
    const { bytes, at: begin } = this;
    let end = begin;
    while (bytes[end] !== COMMA && bytes[end] !== LINE_END) end++;
    if (bytes[end] === LINE_END || end === begin) throw badValue(bytes, begin, `${name} and a comma`);
    this.at = end + 1;
    return end;
  }

  /** Reads 0 or 1. @throws BadLine */
  readBit(name: string): number {
    const { bytes, at } = this;
    const value = bytes[at]! - ZERO;
    if (value >>> 1 !== 0 || bytes[at + 1] !== COMMA) throw badValue(bytes, at, `${name}: 0 or 1`);
    this.at = at + 2;
    return value;
  }

  /** Starts a row with the features up to the line end. @throws BadLine */
  readFeatures(fields: readonly string[], columns: FeatureColumns): void {
    const next = columns.readFeatures(this.at);
    this.at = next === 0 ? readOddFeatures(this.bytes, this.at, fields, columns) : next;
  }
}

/** Name, digits and weight of a feature. */
const [NAME, DIGITS, WEIGHT] = [/[^\x00-\x03]*/y, /\d*/y, /[^\x01\r]*/y] as const;
const DECIMAL = /^(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/**
 * Starts a row, and reads the number of features and any valid list of features up to the line end.
 * @returns the start of the next line
 * @throws BadLine for an invalid feature, or a different number of features than declared
 */
export function readOddFeatures(
  bytes: Buffer,
  begin: number,
  fields: readonly string[],
  columns: FeatureColumns,
): number {
  const end = bytes.indexOf(LINE_END, begin);
  const text = decodeBytes(bytes, begin, end);
  const knownFields = `one of the fields ${fields.join(', ')}`;
  let at = 0;
  const take = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const [found] = pattern.exec(text)!;
    at += found.length;
    return found;
  };
  const check = (isValid: boolean, from: number, expected: string): void => {
    if (!isValid) throw badValue(bytes, begin + from, expected);
  };
  const readFeature = (): void => {
    const nameAt = at;
    const name = take(NAME);
    check(/^[\d_]*$/.test(name), nameAt, knownFields);
    check(text[at++] === '\x02', nameAt, 'features: field \\x02 id \\x03 value, with \\x01 between them');
    const field = fields.indexOf(name);
    check(field >= 0, nameAt, knownFields);
    const idAt = at;
    const id = take(DIGITS);
    // The tables store the id plus one.
    check(Number(id) < Number.MAX_SAFE_INTEGER, idAt, 'an id below 2^53 - 1');
    check(id !== '' && text[at++] === '\x03', idAt, 'an id: an integer in digits');
    const weightAt = at;
    const weight = take(WEIGHT);
    const isWeight = DECIMAL.test(weight) && Number.isFinite(Math.fround(Number(weight)));
    check(isWeight, weightAt, 'a weight: a decimal number of at least 0');
    columns.add(field, Number(id), Number(weight));
  };

  columns.beginRow();
  const declared = take(DIGITS);
  check(declared !== '' && text[at++] === ',', 0, 'the number of features and a comma');
  let count = 0;
  for (let hasMore = at < text.length && text[at] !== '\r'; hasMore; count++) {
    readFeature();
    hasMore = text[at] === '\x01';
    if (hasMore) at++;
  }
  if (text[at] === '\r') at++;
  check(at === text.length, at, 'the end of the line');
  if (count !== Number(declared)) throw new BadLine(`${Number(declared)} features as the line declares`, String(count));
  return end + 1;
}

/** Creates the error for the value at an offset, up to a separator. */
function badValue(bytes: Buffer, begin: number, expected: string): BadLine {
  let end = begin;
  while (bytes[end]! > VALUE_START && bytes[end] !== LINE_END && bytes[end] !== COMMA && end - begin < FOUND_BYTES)
    end++;
  if (end === begin && bytes[begin] === LINE_END) return new BadLine(expected, 'the end of the line');
  return new BadLine(expected, printable(decodeBytes(bytes, begin, Math.max(end, begin + 1))));
}

/** Decodes bytes as a Latin-1 string. */
export function decodeBytes(bytes: Buffer, begin: number, end: number): string {
  return bytes.toString('latin1', begin, end);
}
