import type { Column, Utf8 } from '../chunks/column.js';
import { cellText } from './cell-text.js';

/** Bytes of ASCII characters. */
const [MINUS, POINT, ZERO, NINE] = [0x2d, 0x2e, 0x30, 0x39] as const;
/** Digits of an integer that a double represents exactly. */
const MAX_DIGITS = 15;

/** Creates a column of strings from their UTF-8. Its numbers are parsed when they are requested: texts need none. */
export function utf8Column(utf8: Utf8, rows: number): Column {
  const { bytes, begins, ends, stride, gap } = utf8;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const text = (row: number): string => cellText(buffer, begins[row * stride]! + gap, ends[row * stride]);
  const column: Column = { type: 'string', text, utf8 };
  let numbers: Column['numbers'];
  const get = (): Column['numbers'] => (numbers ??= { values: parseAll(utf8, rows), isWhole: true });
  return Object.defineProperty(column, 'numbers', { enumerable: true, get });
}

function parseAll({ bytes, begins, ends, stride, gap }: Utf8, rows: number): Float64Array {
  const values = new Float64Array(rows);
  for (let row = 0; row < rows; row++)
    values[row] = parseDigits(bytes, begins[row * stride]! + gap, ends[row * stride]!);
  return values;
}

/** Parses a decimal in digits; NaN for another text, and for an integer that is not written as its digits alone. */
function parseDigits(bytes: Uint8Array, begin: number, end: number): number {
  const first = bytes[begin] === MINUS ? begin + 1 : begin;
  let [value, scale, point] = [0, 1, -1];
  if (end - first > MAX_DIGITS) return NaN;
  for (let i = first; i < end; i++) {
    const byte = bytes[i]!;
    if (byte >= ZERO && byte <= NINE) {
      value = 10 * value + byte - ZERO;
      if (point >= 0) scale *= 10;
    } else if (byte === POINT && point < 0) point = i;
    else return NaN;
  }
  const isFraction = point >= 0;
  const hasLeadingZero = bytes[first] === ZERO && end - first > 1;
  if (first === end || (!isFraction && hasLeadingZero) || (value === 0 && (isFraction || first > begin))) return NaN;
  const number = value / scale;
  if (isFraction && Number.isInteger(number)) return NaN;
  return first > begin ? -number : number;
}
