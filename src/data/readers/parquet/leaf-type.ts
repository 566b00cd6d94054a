import type { SchemaElement } from 'hyparquet';
import type { TypedValue } from '../../../chunks/column.js';
import { decimalText, doubleText, halfFloat, shortestDecimal } from '../../../text/float-text.js';
import { cellText } from '../../../features/cell-text.js';
import { dateText, timeOfDayText, timestampText } from './time-text.js';
import type { Values } from './values.js';

/** Returns a value by its index among stored ones. */
type ValueAt<Value> = (values: Values, index: number) => Value;

/** Reading of a leaf's values: the text that DuckDB's CSV export gives, and a number if that text is one. */
export interface LeafType {
  /** Name that errors print. */
  readonly name: string;
  /** Node of an optional column with the values that `value` reads; its name has no meaning. */
  readonly node: SchemaElement;
  readonly text: ValueAt<string>;
  /** Reads a stored value: an integer, ticks or an unscaled decimal, a number, a string, or bytes. */
  readonly value: ValueAt<TypedValue>;
  /** Whether `text` throws an Error for a value that is invalid. */
  readonly isChecked?: boolean;
  readonly isUtf8?: true;
  readonly number?: NumberType;
}

/** Reading of values that are numbers. */
export interface NumberType {
  /** Whether numbers are integers, which ids may be. */
  readonly isWhole: boolean;
  /** Reads all values; NaN if only the text is exact: for a value that is no number, and for a large integer. */
  readonly read: (values: Values, into: Float64Array) => void;
}

const OPTIONAL = { name: '', repetition_type: 'OPTIONAL' } as const;
const MICROSECONDS = { type: 'TIMESTAMP', isAdjustedToUTC: false, unit: 'MICROS' } as const;

/** Returns the type of a leaf, or the name of one that has no text. */
export function leafType(element: SchemaElement): LeafType | string {
  const reading = readingOf(element);
  return typeof reading === 'string' ? reading : { ...reading, node: writtenNode(element) };
}

/** Returns the node of an optional column for which hyparquet-writer writes values as they are stored. */
function writtenNode(element: SchemaElement): SchemaElement {
  const { type, type_length: length, converted_type: converted, logical_type: logical } = element;
  if (type === 'INT96') return { ...OPTIONAL, type: 'INT64', logical_type: MICROSECONDS };
  const stored = { ...OPTIONAL, type: type!, ...(length !== undefined && { type_length: length }) };
  if (logical?.type === 'DECIMAL' || converted === 'DECIMAL') {
    const { scale = 0, precision = 0 } = logical?.type === 'DECIMAL' ? logical : element;
    return { ...stored, converted_type: 'DECIMAL', scale, precision };
  }
  // The writer would serialize JSON again, and encodes no enum.
  if (UTF8_TYPES.includes(converted) || UTF8_TYPES.includes(logical?.type))
    return { ...stored, converted_type: 'UTF8' };
  // Other readers reject the logical type of integers that the writer writes.
  if (logical?.type === 'INTEGER') {
    const signed = `INT_${logical.bitWidth as 8 | 16 | 32 | 64}` as const;
    return { ...stored, converted_type: logical.isSigned ? signed : `U${signed}` };
  }
  return { ...stored, ...(converted && { converted_type: converted }), ...(logical && { logical_type: logical }) };
}

type Reading = Omit<LeafType, 'node'>;

function readingOf(element: SchemaElement): Reading | string {
  const { type, converted_type: converted, logical_type: logical } = element;
  if (logical?.type === 'DECIMAL' || converted === 'DECIMAL') return decimal(element);
  const isUnsigned = converted?.startsWith('UINT_') === true || (logical?.type === 'INTEGER' && !logical.isSigned);
  switch (type) {
    case 'BOOLEAN':
      return BOOLEAN;
    case 'INT32':
      if (logical?.type === 'DATE' || converted === 'DATE') return leaf('date', int32At, dateText);
      return timeType(element, int32At) ?? (isUnsigned ? UINT32 : INT32);
    case 'INT64':
      return timeType(element, int64At) ?? (isUnsigned ? UINT64 : INT64);
    case 'FLOAT':
      return FLOAT;
    case 'DOUBLE':
      return DOUBLE;
    case 'INT96':
      return leaf('timestamp (INT96)', int96Ticks, (ticks) => timestampText(ticks, 6, false));
    default:
      return bytesType(element);
  }
}

/** Builds a type with the texts of decoded values. */
function leaf<Value extends TypedValue>(
  name: string,
  at: ValueAt<Value>,
  format: (value: Value) => string,
  number?: NumberType,
): Reading {
  const text: LeafType['text'] = (values, i) => format(at(values, i));
  return number === undefined ? { name, text, value: at } : { name, text, value: at, number };
}

/** Reads numbers that are the elements of an array. */
function elements(
  isWhole: boolean,
  Elements: new (buffer: ArrayBufferLike, begin: number, length: number) => ArrayLike<number>,
): NumberType {
  return { isWhole, read: ({ bytes, count }, into) => into.set(new Elements(bytes.buffer, bytes.byteOffset, count)) };
}

/** Builds a type of floats that are short decimals. */
function shortFloats(name: string, at: ValueAt<number>): Reading {
  const decimalAt: ValueAt<number> = (values, i) => shortestDecimal(at(values, i));
  const read: NumberType['read'] = (values, into) => {
    for (let i = 0; i < values.count; i++) into[i] = decimalAt(values, i);
  };
  return { ...leaf(name, decimalAt, doubleText, { isWhole: false, read }), value: at };
}

function integers64(name: string, isUnsigned: boolean): Reading {
  const read: NumberType['read'] = ({ bytes, count }, into) => {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, 2 * count);
    for (let i = 0; i < count; i++) {
      const high = isUnsigned ? words[2 * i + 1]! >>> 0 : words[2 * i + 1]!;
      const value = high * 2 ** 32 + (words[2 * i]! >>> 0);
      into[i] = Number.isSafeInteger(value) ? value : NaN;
    }
  };
  const at = isUnsigned ? ({ bytes }: Values, i: number) => bytes.readBigUInt64LE(8 * i) : int64At;
  return leaf(name, at, String, { isWhole: true, read });
}

const BOOLEAN = leaf<boolean>('boolean', ({ bytes }, i) => bytes[i] === 1, String, elements(true, Uint8Array));
const INT32 = leaf('int32', int32At, String, elements(true, Int32Array));
const UINT32 = leaf('uint32', ({ bytes }, i) => bytes.readUInt32LE(4 * i), String, elements(true, Uint32Array));
const [INT64, UINT64] = [integers64('int64', false), integers64('uint64', true)];
const FLOAT16 = shortFloats('float16', ({ bytes }, i) => halfFloat(bytes.readUInt16LE(2 * i)));
const FLOAT = shortFloats('float', ({ bytes }, i) => bytes.readFloatLE(4 * i));
const DOUBLE = leaf('double', ({ bytes }, i) => bytes.readDoubleLE(8 * i), doubleText, elements(false, Float64Array));

function int32At({ bytes }: Values, i: number): number {
  return bytes.readInt32LE(4 * i);
}

function int64At({ bytes }: Values, i: number): bigint {
  return bytes.readBigInt64LE(8 * i);
}

function bytesAt({ bytes, width, begins, ends }: Values, i: number): Buffer {
  return width > 0 ? bytes.subarray(width * i, width * (i + 1)) : bytes.subarray(begins[i], ends[i]);
}

/** Returns the type of timestamps and times of the day; undefined for other integers. */
function timeType(
  { converted_type: converted, logical_type: logical }: SchemaElement,
  at: ValueAt<number | bigint>,
): Reading | undefined {
  const isLogical = logical?.type === 'TIMESTAMP' || logical?.type === 'TIME';
  const [, kind, convertedUnit] = /^(TIMESTAMP|TIME)_(MILLIS|MICROS)$/.exec(converted ?? '') ?? [];
  const name = isLogical ? logical.type : kind;
  if (name === undefined) return undefined;
  const unit = isLogical ? logical.unit : convertedUnit;
  const digits = unit === 'MILLIS' ? 3 : unit === 'MICROS' ? 6 : 9;
  // A converted type alone means UTC in the specification, but DuckDB prints no zone.
  const isUtc = isLogical && logical.isAdjustedToUTC;
  const text = name === 'TIMESTAMP' ? timestampText : timeOfDayText;
  const type = leaf(`${name}(${unit}${isUtc ? ', UTC' : ''})`.toLowerCase(), at, (ticks) =>
    text(BigInt(ticks), digits, isUtc),
  );
  return { ...type, isChecked: name === 'TIME' && !isUtc };
}

/** Unscaled integers, big-endian if they are bytes. */
function decimal(element: SchemaElement): Reading {
  const { type, logical_type: logical } = element;
  const { scale: places = 0, precision: digits = 0 } = logical?.type === 'DECIMAL' ? logical : element;
  const name = `decimal(${digits},${places})`;
  const text = (unscaled: bigint): string => decimalText(unscaled, places, digits);
  if (type === 'INT32') return leaf(name, (values, i) => BigInt(int32At(values, i)), text);
  if (type === 'INT64') return leaf(name, int64At, text);
  const unscaledAt: ValueAt<bigint> = (values, i) => {
    const bytes = bytesAt(values, i);
    return bytes.length === 0 ? 0n : BigInt.asIntN(8 * bytes.length, BigInt(`0x${bytes.toString('hex')}`));
  };
  return leaf(name, unscaledAt, text);
}

/** Nanoseconds of a day and the Julian day; DuckDB reads them as microseconds. */
function int96Ticks(values: Values, i: number): bigint {
  const bytes = bytesAt(values, i);
  const days = BigInt(bytes.readInt32LE(8) - 2_440_588);
  return days * 86_400_000_000n + bytes.readBigInt64LE() / 1000n;
}

const UTF8_TYPES: readonly (string | undefined)[] = ['UTF8', 'STRING', 'ENUM', 'JSON'];

function bytesType(element: SchemaElement): Reading | string {
  const { type, converted_type: converted, logical_type: logical, type_length: length } = element;
  if (converted === 'INTERVAL') return 'interval';
  if (converted === 'BSON' || logical?.type === 'BSON') return 'bson';
  if (logical?.type === 'VARIANT' || logical?.type === 'GEOMETRY' || logical?.type === 'GEOGRAPHY')
    return logical.type.toLowerCase();
  if (logical?.type === 'FLOAT16' && length === 2) return FLOAT16;
  if (logical?.type === 'UUID') return bytesLeaf('uuid', uuidText);
  if (!UTF8_TYPES.includes(converted) && !UTF8_TYPES.includes(logical?.type))
    return bytesLeaf(type === 'BYTE_ARRAY' ? 'binary' : `binary(${length ?? 0})`, blobText);
  const name = (logical?.type ?? converted ?? 'string').toLowerCase().replace('utf8', 'string');
  return { ...leaf(name, (values, i) => cellText(bytesAt(values, i)), String), isUtf8: true };
}

/** Builds a type of bytes; a value is a copy. */
function bytesLeaf(name: string, format: (bytes: Buffer) => string): Reading {
  return { ...leaf(name, bytesAt, format), value: (values, i) => Uint8Array.from(bytesAt(values, i)) };
}

function uuidText(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Bytes other than printable ASCII, and quotes and backslashes, are written in hexadecimal. */
function blobText(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replace(/[^ !#-&(-[\]-~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}
