// Rows of features: a line's list is read 16 bytes at a time, and what it says goes to the columns.
import { areDigits, decimalBefore, digitsBefore, wholeOf } from '../digits';
import { keepHeaviest } from './heaviest';
import {
  CAP,
  CUT_ROWS,
  CUT_VALUES,
  IDS,
  IS_BAG,
  LENGTH,
  MAX_FIELDS,
  NAME,
  NO_FIELD,
  NUM_FIELDS,
  OCCURS,
  OFFSETS,
  PENDING,
  ROWS,
  SLOTS,
  WEIGHTS,
  fieldAt,
} from './table';
import { add } from './values';

/** Where a line is none that is read here, and where there was no room for one: no place of a line. */
const ODD: usize = 0;
const NO_ROOM: usize = 1;
const FEATURE_END: u32 = 1;
const ID_START: u64 = 2;
const VALUE_START: i8 = 3;
const LINE_END: u32 = 10;
const RETURN: u32 = 13;
const COMMA: u32 = 44;
const POINT: i8 = 46;
const ZERO: u32 = 48;
/** Every id of so many digits is below 2^32. */
const MAX_ID_DIGITS: u32 = 9;
const ONES: u64 = 0x0101010101010101;
/** Spreads the bits of names over eight (the golden ratio; Knuth, The Art of Computer Programming 3, 6.4). */
const SPREAD: u64 = 0x9e3779b97f4a7c15;

/** Begins a row; what was added to a row that did not end is forgotten. */
export function beginRow(table: usize): void {
  memory.fill(table + PENDING, 0, 4 * MAX_FIELDS);
}

/**
 * Begins a row, and reads the number of its features and the list of them, to the end of the line. Before the lines and
 * behind them there
 * must be 32 bytes of memory.
 * @returns where the next line begins; ODD where anything of the line is not plain, and NO_ROOM where a field (FULL)
 * has none
 */
export function readFeatures(table: usize, begin: usize): usize {
  beginRow(table);
  let at = begin;
  let told: u32 = 0;
  for (let digit = <u32>load<u8>(at) - ZERO; digit < 10; digit = <u32>load<u8>(++at) - ZERO) told = told * 10 + digit;
  const length = at - begin;
  if (length == 0 || length > <usize>MAX_ID_DIGITS || load<u8>(at) != COMMA) return ODD;
  at++;
  if (told == 0) return load<u8>(at) == LINE_END ? at + 1 : ODD;
  for (let count: u32 = 1; ; count++) {
    const nameBytes = nameLength(at);
    const field = fieldOf(table, load<u64>(at), nameBytes);
    if (field == NO_FIELD) return ODD;
    at += nameBytes + 1;

    const idBytes = <u32>ctz(<u32>i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(VALUE_START))));
    if (idBytes - 1 >= MAX_ID_DIGITS) return ODD;
    at += <usize>idBytes;
    const digits = digitsBefore(at, idBytes);
    if (!areDigits(digits)) return ODD;
    at++;

    const weightBytes = <u32>ctz(<u32>i8x16.bitmask(i8x16.lt_u(v128.load(at), i8x16.splat(POINT))));
    at += <usize>weightBytes;
    const weight = decimalBefore(at, weightBytes);
    if (isNaN(weight)) return ODD;
    if (!add(table, field, wholeOf(digits), <f32>weight)) return NO_ROOM;
    const end = <u32>load<u8>(at++);
    if (end == FEATURE_END) continue;
    if (count != told) return ODD;
    if (end == LINE_END) return at;
    return end == RETURN && load<u8>(at) == LINE_END ? at + 1 : ODD;
  }
}

/** Bytes up to the id, of eight at the most. */
// @ts-ignore: decorator
@inline
function nameLength(at: usize): usize {
  const others = load<u64>(at) ^ (ID_START * ONES);
  // The lowest byte that is 0 has the lowest of these bits (Mycroft 1987).
  return <usize>(ctz((others - ONES) & ~others & (ONES << 7)) >> 3);
}

/** The field whose name is in the first bytes of eight. */
// @ts-ignore: decorator
@inline
function fieldOf(table: usize, bytes: u64, length: usize): u32 {
  if (length - 1 >= 7) return NO_FIELD;
  const name = bytes & ((<u64>1 << (<u64>length << 3)) - 1);
  let slot = <usize>((name * SPREAD) >> 56);
  let field = <u32>load<u8>(table + SLOTS + slot);
  while (field != NO_FIELD && load<u64>(fieldAt(table, field), NAME) != name) {
    slot = (slot + 1) & 255;
    field = <u32>load<u8>(table + SLOTS + slot);
  }
  return field;
}

/** Ends the open row: of a bag the heaviest values stay, and a single field without one gets none. */
export function endRow(table: usize): void {
  const row = <usize>load<u32>(table, ROWS);
  const numFields = <usize>load<u32>(table, NUM_FIELDS);
  for (let f: usize = 0; f < numFields; f++) {
    const field = fieldAt(table, f);
    const count = load<u32>(table + PENDING + 4 * f);
    const ids = <usize>load<u32>(field, IDS);
    const weights = <usize>load<u32>(field, WEIGHTS);
    const cap = load<u32>(field, CAP);
    if (load<u32>(field, IS_BAG) != 0) {
      let length = load<u32>(field, LENGTH);
      if (count > 0) length += keepHeaviest(ids + 8 * <usize>length, weights + 4 * <usize>length, count, cap);
      store<u32>(field, length, LENGTH);
      store<u32>(<usize>load<u32>(field, OFFSETS) + 4 * (row + 1), length);
    } else if (count == 0) {
      store<i64>(ids + 8 * row, -1);
      store<f32>(weights + 4 * row, 0);
    }
    if (count == 0) continue;
    store<u32>(field, 1, OCCURS);
    if (count <= cap) continue;
    store<u32>(field, load<u32>(field, CUT_ROWS) + 1, CUT_ROWS);
    store<u32>(field, load<u32>(field, CUT_VALUES) + count - cap, CUT_VALUES);
  }
  store<u32>(table, <u32>row + 1, ROWS);
}
