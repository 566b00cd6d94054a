import type { ChunkRows } from '../chunks/chunk.js';
import { JSON_ITEM, type Column, type Lists, type Utf8 } from '../chunks/column.js';
import { grown } from '../core/grown.js';
import { cellText } from './cell-text.js';
import type { ListForm } from './feature.js';

/** Bytes of ASCII characters. */
const [OPENING_BRACKET, MINUS, POINT, ZERO, NINE, MAX_ASCII] = [0x5b, 0x2d, 0x2e, 0x30, 0x39, 0x7f] as const;
const JSON_MARK = JSON_ITEM.charCodeAt(0);
/** Digits of an integer that a double represents exactly. */
const MAX_DIGITS = 15;
/** Expected number of items per row. */
const ITEMS_PER_ROW = 8;

/**
 * Cuts separated items without conversion to strings.
 * @returns undefined if a value has weights, may be JSON, or has a missing item that is not kept
 */
export function cutLists(rows: ChunkRows, cells: Utf8, form: ListForm): Lists | undefined {
  const [separator, weight] = [form.items.charCodeAt(0), form.weight?.charCodeAt(0) ?? -1];
  if (form.format === 'json' || separator > MAX_ASCII || weight > MAX_ASCII) return undefined;
  const { bytes, stride, gap } = cells;
  const mayBeJson = form.format !== 'separated';
  const mark = form.format === 'item' ? JSON_MARK : OPENING_BRACKET;
  const offsets = new Uint32Array(rows.count + 1);
  let begins: Uint32Array = new Uint32Array(ITEMS_PER_ROW * rows.count);
  let ends: Uint32Array = new Uint32Array(begins.length);
  let count = 0;
  for (let row = 0; row < rows.count; row++) {
    const begin = cells.begins[row * stride]! + gap;
    const end = cells.ends[row * stride]!;
    if (rows.isKept(row) && begin < end) {
      if (mayBeJson && bytes[begin] === mark) return undefined;
      const needed = count + end - begin + 1;
      if (needed > begins.length) [begins, ends] = [grown(begins, needed), grown(ends, needed)];
      begins[count] = begin;
      for (let i = begin; i < end; i++) {
        const byte = bytes[i]!;
        if (byte === weight) return undefined;
        if (byte !== separator) continue;
        ends[count++] = i;
        begins[count] = i + 1;
      }
      ends[count++] = end;
    }
    offsets[row + 1] = count;
  }
  if (form.keepsMissing !== true) for (let i = 0; i < count; i++) if (begins[i] === ends[i]) return undefined;
  const items = { bytes, begins: begins.subarray(0, count), ends: ends.subarray(0, count), stride: 1, gap: 0 };
  return { offsets, items: itemColumn(items) };
}

function itemColumn(utf8: Utf8): Column {
  const { bytes, begins, ends } = utf8;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const column: Column = { type: 'string', text: (item) => cellText(buffer, begins[item], ends[item]), utf8 };
  let numbers: Column['numbers'];
  // Texts need no numbers.
  const get = (): Column['numbers'] => (numbers ??= { values: parseAll(utf8), isWhole: true });
  return Object.defineProperty(column, 'numbers', { enumerable: true, get });
}

function parseAll({ bytes, begins, ends }: Utf8): Float64Array {
  const values = new Float64Array(begins.length);
  for (let i = 0; i < values.length; i++) values[i] = parseDigits(bytes, begins[i]!, ends[i]!);
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
