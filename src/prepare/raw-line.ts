import { printable } from '../core/errors.js';
import type { FeatureColumns } from './feature-columns.js';

// The raw format: commas separate the values of a line, \x01 separates the features in the last value, and \x02 and
// \x03 the parts of a feature. Lines are parsed as bytes, without intermediate strings; a line feed after the last line
// ends every loop. This parser defines validity; kernels read only feature lists that are plainly valid, with the same
// results.

const [FEATURE_END, ID_START, VALUE_START, LINE_END, RETURN, COMMA, POINT, ZERO, UNDERSCORE] = [
  1, 2, 3, 10, 13, 44, 46, 48, 95,
] as const;
/** Any number of this many digits fits into 32 bits. */
const INT_DIGITS = 9;
const POWERS = Float64Array.from({ length: INT_DIGITS + 1 }, (_, i) => 10 ** i);

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

/** Reads the values of raw lines. */
export interface LineReader {
  /** Start of the next value. */
  at: number;
  /** Skips a value. @returns its end */
  skipCell(bytes: Uint8Array, what: string): number;
  /** Reads 0 or 1. @throws BadLine */
  bit(bytes: Uint8Array, what: string): number;
  /**
   * Starts a row, and reads its feature count and feature list up to the line end.
   * @throws BadLine for an invalid feature, or a different number of features than declared
   */
  features(bytes: Uint8Array, columns: FeatureColumns): void;
}

/** Creates a reader for lines with these fields. */
export function createLineReader(fields: readonly string[]): LineReader {
  const { slots, codes, lengths } = fieldCodes(fields);
  const mask = slots.length - 1;

  const reader: LineReader = {
    at: 0,

    skipCell(bytes, what) {
      const begin = reader.at;
      let position = begin;
      while (bytes[position] !== COMMA && bytes[position] !== LINE_END) position++;
      if (bytes[position] === LINE_END || position === begin) throw bad(bytes, begin, `${what} and a comma`);
      reader.at = position + 1;
      return position;
    },

    bit(bytes, what) {
      const value = bytes[reader.at]! - ZERO;
      if (value >>> 1 !== 0 || bytes[reader.at + 1] !== COMMA) throw bad(bytes, reader.at, `${what}: 0 or 1`);
      reader.at += 2;
      return value;
    },

    features(bytes, columns) {
      columns.beginRow();
      const countStart = reader.at;
      let position = countStart;
      let declared = 0;
      for (let digit = bytes[position]! - ZERO; digit >>> 0 < 10; digit = bytes[++position]! - ZERO)
        declared = declared * 10 + digit;
      if (position === countStart || bytes[position] !== COMMA)
        throw bad(bytes, countStart, 'the number of features and a comma');
      position++;
      let count = 0;
      // A line without features ends here.
      let isOver = bytes[position] === LINE_END || bytes[position] === RETURN;
      while (!isOver) {
        const begin = position;
        let code = 0;
        for (; bytes[position]! > VALUE_START && bytes[position] !== LINE_END; position++) {
          const character = bytes[position]!;
          const digit = character - ZERO;
          code =
            digit >>> 0 < 10
              ? (Math.imul(code, 12) + 1 + digit) | 0
              : character === UNDERSCORE
                ? (Math.imul(code, 12) + 11) | 0
                : -1;
          if (code === -1) throw badField(bytes, begin, fields);
        }
        if (bytes[position] !== ID_START)
          throw bad(bytes, begin, 'features: field \\x02 id \\x03 value, with \\x01 between them');
        let slot = (Math.imul(code, 0x9e3779b1) >>> 24) & mask;
        while (slots[slot]! >= 0 && codes[slots[slot]!] !== code) slot = (slot + 1) & mask;
        const field = slots[slot]!;
        if (field < 0 || lengths[field] !== position - begin) throw badField(bytes, begin, fields);

        const idAt = ++position;
        let id = 0;
        let digit = bytes[position]! - ZERO;
        for (; digit >>> 0 < 10 && position - idAt < INT_DIGITS; digit = bytes[++position]! - ZERO)
          id = (Math.imul(id, 10) + digit) | 0;
        if (digit >>> 0 < 10) {
          position = endOfDigits(bytes, position);
          id = longId(bytes, idAt, position);
        }
        if (position === idAt || bytes[position] !== VALUE_START) throw bad(bytes, idAt, 'an id: an integer in digits');

        const valueAt = ++position;
        let mantissa = 0;
        let numDigits = 0;
        let fraction = 0;
        for (
          digit = bytes[position]! - ZERO;
          digit >>> 0 < 10 && numDigits < INT_DIGITS;
          digit = bytes[++position]! - ZERO, numDigits++
        )
          mantissa = (Math.imul(mantissa, 10) + digit) | 0;
        if (bytes[position] === POINT) {
          for (
            digit = bytes[++position]! - ZERO;
            digit >>> 0 < 10 && numDigits < INT_DIGITS;
            digit = bytes[++position]! - ZERO, numDigits++, fraction++
          )
            mantissa = (Math.imul(mantissa, 10) + digit) | 0;
        }
        let weight: number;
        let end = bytes[position]!;
        // An integer below 2^53 divided by a power of ten is rounded once, so it is the nearest double of the decimal.
        if (numDigits > 0 && (end === FEATURE_END || end === LINE_END || end === RETURN))
          weight = mantissa / POWERS[fraction]!;
        else {
          while (bytes[position] !== FEATURE_END && bytes[position] !== LINE_END && bytes[position] !== RETURN)
            position++;
          end = bytes[position]!;
          weight = longWeight(bytes, valueAt, position);
        }
        columns.add(field, id, weight);
        count++;
        isOver = end !== FEATURE_END;
        if (!isOver) position++;
      }
      if (bytes[position] === RETURN) position++;
      if (bytes[position] !== LINE_END) throw bad(bytes, position, 'the end of the line');
      if (count !== declared) throw new BadLine(`${declared} features as the line declares`, String(count));
      reader.at = position + 1;
    },
  };
  return reader;
}

/** Encodes names as base-12 numbers, exact up to eight characters, in a small hash table. */
function fieldCodes(fields: readonly string[]): { slots: Int16Array; codes: Int32Array; lengths: Uint8Array } {
  const slots = new Int16Array(256).fill(-1);
  const codes = Int32Array.from(fields, (name) => {
    if (!/^[\d_]{1,8}$/.test(name)) throw new Error(`no code for the field '${name}'`);
    let code = 0;
    for (const character of name) code = code * 12 + (character === '_' ? 11 : 1 + Number(character));
    return code;
  });
  for (const [f, code] of codes.entries()) {
    let slot = Math.imul(code, 0x9e3779b1) >>> 24;
    while (slots[slot]! >= 0) slot = (slot + 1) & 255;
    slots[slot] = f;
  }
  return { slots, codes, lengths: Uint8Array.from(fields, (name) => name.length) };
}

function endOfDigits(bytes: Uint8Array, from: number): number {
  let position = from;
  while ((bytes[position]! - ZERO) >>> 0 < 10) position++;
  return position;
}

function longId(bytes: Uint8Array, begin: number, end: number): number {
  const id = Number(decodeBytes(bytes, begin, end));
  // The tables store the id plus one.
  if (id >= Number.MAX_SAFE_INTEGER) throw bad(bytes, begin, 'an id below 2^53 - 1');
  return id;
}

function longWeight(bytes: Uint8Array, begin: number, end: number): number {
  const text = decodeBytes(bytes, begin, end);
  const weight = /^(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Math.fround(Number(text)) : NaN;
  if (!Number.isFinite(weight)) throw bad(bytes, begin, 'a weight: a decimal number of at least 0');
  return weight;
}

function badField(bytes: Uint8Array, begin: number, fields: readonly string[]): BadLine {
  return bad(bytes, begin, `one of the fields ${fields.join(', ')}`);
}

/** Creates the error for the value at an offset, up to a separator. */
function bad(bytes: Uint8Array, begin: number, expected: string): BadLine {
  let end = begin;
  while (bytes[end]! > VALUE_START && bytes[end] !== LINE_END && bytes[end] !== COMMA && end - begin < 60) end++;
  return new BadLine(
    expected,
    end === begin
      ? bytes[begin] === LINE_END
        ? 'the end of the line'
        : printable(decodeBytes(bytes, begin, begin + 1))
      : printable(decodeBytes(bytes, begin, end)),
  );
}

/** Decodes bytes as a Latin-1 string. */
export function decodeBytes(bytes: Uint8Array, begin: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + begin, end - begin).toString('latin1');
}
