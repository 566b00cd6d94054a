import type { SchemaElement } from 'hyparquet';
import { decimalText, doubleText, halfFloat, shortestDecimal } from '../../../text/float-text.js';
import { cellText } from '../cell-text.js';
import { dateText, timeOfDayText, timestampText } from './time-text.js';
import type { Values } from './values.js';

/** Returns a value by its index among stored ones. */
export type At<Value> = (place: number) => Value;

/** Reading of a leaf's values: the text that DuckDB's CSV export gives, and a number if that text is one. */
export interface LeafType {
  /** For errors. */
  readonly name: string;
  readonly text: (values: Values) => At<string>;
  readonly isUtf8?: true;
  readonly number?: NumberType;
}

/** Reading of values that are numbers. */
export interface NumberType {
  /** Whether numbers are integers, which ids may be. */
  readonly isWhole: boolean;
  /** Whether some numbers are NaN, so that only their text is exact: values that are no number, and large integers. */
  readonly mayBeNaN: boolean;
  /** Reads `count` values from index `from` on to `into` from `at` on. */
  readonly read: (values: Values, from: number, count: number, into: Float64Array, at: number) => void;
  readonly text: (value: number) => string;
}

/** Returns the type of a leaf, or the name of one that has no text. */
export function leafType(element: SchemaElement): LeafType | string {
  const { type, converted_type: converted, logical_type: logical } = element;
  if (logical?.type === 'DECIMAL' || converted === 'DECIMAL') return decimal(element);
  const isUnsigned = converted?.startsWith('UINT_') === true || (logical?.type === 'INTEGER' && !logical.isSigned);
  switch (type) {
    case 'BOOLEAN':
      return BOOLEAN;
    case 'INT32':
      if (logical?.type === 'DATE' || converted === 'DATE') return texts('date', int32At, dateText);
      return timeType(element, int32At) ?? (isUnsigned ? UINT32 : INT32);
    case 'INT64':
      return timeType(element, bigintAt) ?? (isUnsigned ? UINT64 : INT64);
    case 'FLOAT':
      return FLOAT;
    case 'DOUBLE':
      return DOUBLE;
    case 'INT96':
      return texts('timestamp (INT96)', bytesAt, int96Text);
    default:
      return bytesType(element);
  }
}

/** Builds a type whose texts are those of decoded values. */
function texts<Value>(name: string, at: (values: Values) => At<Value>, text: (value: Value) => string): LeafType {
  return {
    name,
    text: (values) => {
      const valueAt = at(values);
      return (i) => text(valueAt(i));
    },
  };
}

/** Builds a type all of whose values have the text of their number. */
function numbers(name: string, number: NumberType): LeafType {
  const one = new Float64Array(1);
  return {
    name,
    number,
    text: (values) => (i) => {
      number.read(values, i, 1, one, 0);
      return number.text(one[0]!);
    },
  };
}

/** Builds a type whose numbers are the elements of an array. */
function arrayNumbers(
  name: string,
  isWhole: boolean,
  Elements: {
    new (buffer: ArrayBufferLike, begin: number, length: number): ArrayLike<number>;
    readonly BYTES_PER_ELEMENT: number;
  },
): LeafType {
  const read: NumberType['read'] = ({ bytes }, from, count, into, at) =>
    into.set(new Elements(bytes.buffer, bytes.byteOffset + Elements.BYTES_PER_ELEMENT * from, count), at);
  return numbers(name, { isWhole, mayBeNaN: !isWhole, read, text: isWhole ? String : doubleText });
}

const INT32 = arrayNumbers('int32', true, Int32Array);
const UINT32 = arrayNumbers('uint32', true, Uint32Array);
const DOUBLE = arrayNumbers('double', false, Float64Array);
const [INT64, UINT64] = [integers64('int64', false), integers64('uint64', true)];
const BOOLEAN = numbers('boolean', {
  isWhole: true,
  mayBeNaN: false,
  read: ({ bytes }, from, count, into, at) => {
    for (let i = from; i < from + count; i++) into[at++] = (bytes[i >> 3]! >> (i & 7)) & 1;
  },
  text: (value) => (value === 1 ? 'true' : 'false'),
});
const FLOAT = numbers('float', {
  isWhole: false,
  mayBeNaN: true,
  read: ({ bytes }, from, count, into, at) => {
    const floats = new Float32Array(bytes.buffer, bytes.byteOffset + 4 * from, count);
    for (let i = 0; i < count; i++) into[at + i] = shortestDecimal(floats[i]!);
  },
  text: doubleText,
});
const FLOAT16 = numbers('float16', {
  isWhole: false,
  mayBeNaN: true,
  read: ({ bytes, begins }, from, count, into, at) => {
    for (let i = from; i < from + count; i++) into[at++] = shortestDecimal(halfFloat(bytes.readUInt16LE(begins[i])));
  },
  text: doubleText,
});

function integers64(name: string, isUnsigned: boolean): LeafType {
  const read: NumberType['read'] = ({ bytes }, from, count, into, at) => {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + 8 * from, 2 * count);
    for (let i = 0; i < count; i++) {
      const high = isUnsigned ? words[2 * i + 1]! >>> 0 : words[2 * i + 1]!;
      const value = high * 2 ** 32 + (words[2 * i]! >>> 0);
      into[at + i] = Number.isSafeInteger(value) ? value : NaN;
    }
  };
  const text = (value: bigint): string => String(isUnsigned ? BigInt.asUintN(64, value) : value);
  return { ...texts(name, bigintAt, text), number: { isWhole: true, mayBeNaN: true, read, text: String } };
}

function int32At({ bytes }: Values): At<number> {
  return (i) => bytes.readInt32LE(4 * i);
}

function bigintAt({ bytes }: Values): At<bigint> {
  return (i) => bytes.readBigInt64LE(8 * i);
}

function bytesAt({ bytes, begins, gap }: Values): At<Buffer> {
  return (i) => bytes.subarray(begins[i], begins[i + 1]! - gap);
}

/** Returns the type of timestamps and times of the day; undefined for other integers. */
function timeType(
  { converted_type: converted, logical_type: logical }: SchemaElement,
  at: (values: Values) => At<number | bigint>,
): LeafType | undefined {
  const isLogical = logical?.type === 'TIMESTAMP' || logical?.type === 'TIME';
  const [, kind, convertedUnit] = /^(TIMESTAMP|TIME)_(MILLIS|MICROS)$/.exec(converted ?? '') ?? [];
  const name = isLogical ? logical.type : kind;
  if (name === undefined) return undefined;
  const unit = isLogical ? logical.unit : convertedUnit;
  const digits = unit === 'MILLIS' ? 3 : unit === 'MICROS' ? 6 : 9;
  // A converted type alone means UTC in the specification, but DuckDB prints no zone.
  const isUtc = isLogical && logical.isAdjustedToUTC;
  const text = name === 'TIMESTAMP' ? timestampText : timeOfDayText;
  return texts(name.toLowerCase(), at, (ticks) => text(BigInt(ticks), digits, isUtc));
}

/** Unscaled integers, big-endian if they are bytes. */
function decimal({ type, scale, precision, logical_type: logical }: SchemaElement): LeafType {
  const places = (logical?.type === 'DECIMAL' ? logical.scale : scale) ?? 0;
  const digits = (logical?.type === 'DECIMAL' ? logical.precision : precision) ?? 0;
  const name = `decimal(${digits},${places})`;
  if (type === 'INT32') return texts(name, int32At, (value) => decimalText(value, places, digits));
  if (type === 'INT64') return texts(name, bigintAt, (value) => decimalText(value, places, digits));
  return texts(name, bytesAt, (bytes) => {
    const unscaled = bytes.length === 0 ? 0n : BigInt(`0x${bytes.toString('hex')}`);
    return decimalText(BigInt.asIntN(8 * bytes.length, unscaled), places, digits);
  });
}

/** Nanoseconds of a day and the Julian day; DuckDB reads them as microseconds. */
function int96Text(bytes: Buffer): string {
  const days = BigInt(bytes.readInt32LE(8) - 2_440_588);
  return timestampText(days * 86_400_000_000n + bytes.readBigInt64LE() / 1000n, 6, false);
}

const UTF8_TYPES: readonly (string | undefined)[] = ['UTF8', 'STRING', 'ENUM', 'JSON'];

function bytesType(element: SchemaElement): LeafType | string {
  const { type, converted_type: converted, logical_type: logical, type_length: length } = element;
  if (converted === 'INTERVAL') return 'interval';
  if (converted === 'BSON' || logical?.type === 'BSON') return 'bson';
  if (logical?.type === 'VARIANT' || logical?.type === 'GEOMETRY' || logical?.type === 'GEOGRAPHY')
    return logical.type.toLowerCase();
  if (logical?.type === 'FLOAT16') return FLOAT16;
  if (logical?.type === 'UUID') return texts('uuid', bytesAt, uuidText);
  if (!UTF8_TYPES.includes(converted) && !UTF8_TYPES.includes(logical?.type))
    return texts(type === 'BYTE_ARRAY' ? 'binary' : `binary(${length ?? 0})`, bytesAt, blobText);
  const name = (logical?.type ?? converted ?? 'string').toLowerCase().replace('utf8', 'string');
  return { ...texts(name, bytesAt, (bytes) => cellText(bytes)), isUtf8: true };
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
