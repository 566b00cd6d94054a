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
  /** Which numbers are NaN, so that only their text is exact: none, values that are no number, or large integers. */
  readonly inexact: 'none' | 'nan' | 'large';
  /** Reads `count` values from index `from` on to `into` from `at` on. */
  readonly read: (values: Values, from: number, count: number, into: Float64Array, at: number) => void;
  readonly text: (value: number) => string;
}

/** Returns the type of a leaf, or the name of one that has no text. */
export function leafType(element: SchemaElement): LeafType | string {
  const { type, converted_type: converted, logical_type: logical } = element;
  if (logical?.type === 'DECIMAL' || converted === 'DECIMAL') return decimal(element);
  switch (type) {
    case 'BOOLEAN':
      return BOOLEAN;
    case 'INT32':
      if (logical?.type === 'DATE' || converted === 'DATE')
        return texts('date', (values) => (i) => dateText(ofKind(values, 'int32').data[i]!));
      if (logical?.type === 'TIME' || converted === 'TIME_MILLIS') {
        const isUtc = logical?.type === 'TIME' && logical.isAdjustedToUTC;
        return texts('time', (values) => (i) => timeOfDayText(BigInt(ofKind(values, 'int32').data[i]!), 3, isUtc));
      }
      return isUnsigned(element) ? UINT32 : INT32;
    case 'INT64':
      return int64(element);
    case 'FLOAT':
      return FLOAT;
    case 'DOUBLE':
      return DOUBLE;
    case 'INT96':
      return texts('timestamp (INT96)', (values) => (i) => int96Text(ofKind(values, 'bytes'), i));
    default:
      return bytesType(element);
  }
}

type OfKind<Kind extends Values['kind']> = Extract<Values, { kind: Kind }>;

function ofKind<Kind extends Values['kind']>(values: Values, kind: Kind): OfKind<Kind> {
  if (values.kind !== kind) throw new Error(`its values are stored as ${values.kind}, not as ${kind}`);
  // TypeScript does not narrow a union by a generic discriminant.
  return values as OfKind<Kind>;
}

function texts(name: string, text: LeafType['text']): LeafType {
  return { name, text };
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
  arrayOf: (values: Values) => Int32Array | Uint32Array | Float64Array,
  text: (value: number) => string,
): LeafType {
  const read: NumberType['read'] = (values, from, count, into, at) =>
    into.set(arrayOf(values).subarray(from, from + count), at);
  return numbers(name, { isWhole, inexact: isWhole ? 'none' : 'nan', read, text });
}

function unsigned({ buffer, byteOffset, length }: Int32Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length);
}

const BOOLEAN = numbers('boolean', {
  isWhole: true,
  inexact: 'none',
  read: (values, from, count, into, at) => {
    const { bytes } = ofKind(values, 'bits');
    for (let i = from; i < from + count; i++) into[at++] = (bytes[i >> 3]! >> (i & 7)) & 1;
  },
  text: (value) => (value === 1 ? 'true' : 'false'),
});
const INT32 = arrayNumbers('int32', true, (values) => ofKind(values, 'int32').data, String);
const UINT32 = arrayNumbers('uint32', true, (values) => unsigned(ofKind(values, 'int32').data), String);
const DOUBLE = arrayNumbers('double', false, (values) => ofKind(values, 'double').data, doubleText);
const FLOAT = numbers('float', {
  isWhole: false,
  inexact: 'nan',
  read: (values, from, count, into, at) => {
    const { data } = ofKind(values, 'float');
    for (let i = from; i < from + count; i++) into[at++] = shortestDecimal(data[i]!);
  },
  text: doubleText,
});
const FLOAT16 = numbers('float16', {
  isWhole: false,
  inexact: 'nan',
  read: (values, from, count, into, at) => {
    const { bytes, begins } = ofKind(values, 'bytes');
    for (let i = from; i < from + count; i++) into[at++] = shortestDecimal(halfFloat(bytes.readUInt16LE(begins[i])));
  },
  text: doubleText,
});
const [INT64, UINT64] = [integers64('int64', false), integers64('uint64', true)];

function integers64(name: string, isUnsigned: boolean): LeafType {
  return {
    name,
    number: {
      isWhole: true,
      inexact: 'large',
      read: (values, from, count, into, at) => {
        const { words } = ofKind(values, 'int64');
        for (let i = from; i < from + count; i++) {
          const high = isUnsigned ? words[2 * i + 1]! >>> 0 : words[2 * i + 1]!;
          const value = high * 2 ** 32 + (words[2 * i]! >>> 0);
          into[at++] = Number.isSafeInteger(value) ? value : NaN;
        }
      },
      text: String,
    },
    text: (values) => {
      const at = bigintAt(values);
      return isUnsigned ? (i) => String(BigInt.asUintN(64, at(i))) : (i) => String(at(i));
    },
  };
}

function isUnsigned({ converted_type: converted, logical_type: logical }: SchemaElement): boolean {
  return converted?.startsWith('UINT_') === true || (logical?.type === 'INTEGER' && !logical.isSigned);
}

function bigintAt(values: Values): At<bigint> {
  const { words } = ofKind(values, 'int64');
  return (i) => (BigInt(words[2 * i + 1]!) << 32n) | BigInt(words[2 * i]! >>> 0);
}

function int64(element: SchemaElement): LeafType {
  const { converted_type: converted, logical_type: logical } = element;
  const unit =
    logical?.type === 'TIMESTAMP' || logical?.type === 'TIME'
      ? logical.unit
      : converted?.endsWith('_MILLIS') === true
        ? 'MILLIS'
        : 'MICROS';
  const digits = { MILLIS: 3, MICROS: 6, NANOS: 9 }[unit];
  const ticks = (name: string, text: typeof timestampText, isUtc: boolean): LeafType =>
    texts(name, (values) => {
      const at = bigintAt(values);
      return (i) => text(at(i), digits, isUtc);
    });
  // A converted type alone means UTC in the specification, but DuckDB prints no zone.
  if (logical?.type === 'TIMESTAMP' || converted?.startsWith('TIMESTAMP_') === true)
    return ticks('timestamp', timestampText, logical?.type === 'TIMESTAMP' && logical.isAdjustedToUTC);
  if (logical?.type === 'TIME' || converted?.startsWith('TIME_') === true)
    return ticks('time', timeOfDayText, logical?.type === 'TIME' && logical.isAdjustedToUTC);
  return isUnsigned(element) ? UINT64 : INT64;
}

/** Unscaled integers, big-endian if they are bytes. */
function decimal({ type, scale, precision, logical_type: logical }: SchemaElement): LeafType {
  const places = (logical?.type === 'DECIMAL' ? logical.scale : scale) ?? 0;
  const digits = (logical?.type === 'DECIMAL' ? logical.precision : precision) ?? 0;
  const unscaledAt = (values: Values): At<number | bigint> => {
    if (type === 'INT32') return (i) => ofKind(values, 'int32').data[i]!;
    if (type === 'INT64') return bigintAt(values);
    const at = bytesAt(values);
    return (i) => {
      const bytes = at(i);
      return bytes.length === 0 ? 0n : BigInt.asIntN(8 * bytes.length, BigInt(`0x${bytes.toString('hex')}`));
    };
  };
  return texts(`decimal(${digits},${places})`, (values) => {
    const at = unscaledAt(values);
    return (i) => decimalText(at(i), places, digits);
  });
}

function bytesAt(values: Values): At<Buffer> {
  const { bytes, begins, gap } = ofKind(values, 'bytes');
  return (i) => bytes.subarray(begins[i], begins[i + 1]! - gap);
}

/** Nanoseconds of a day and the Julian day; DuckDB reads them as microseconds. */
function int96Text({ bytes, begins }: OfKind<'bytes'>, i: number): string {
  const nanos = bytes.readBigInt64LE(begins[i]);
  const days = BigInt(bytes.readInt32LE(begins[i]! + 8) - 2_440_588);
  return timestampText(days * 86_400_000_000n + nanos / 1000n, 6, false);
}

const UTF8_TYPES: readonly (string | undefined)[] = ['UTF8', 'STRING', 'ENUM', 'JSON'];

function bytesType(element: SchemaElement): LeafType | string {
  const { type, converted_type: converted, logical_type: logical, type_length: length } = element;
  if (converted === 'INTERVAL') return 'interval';
  if (converted === 'BSON' || logical?.type === 'BSON') return 'bson';
  if (logical?.type === 'VARIANT' || logical?.type === 'GEOMETRY' || logical?.type === 'GEOGRAPHY')
    return logical.type.toLowerCase();
  if (logical?.type === 'FLOAT16') return FLOAT16;
  if (logical?.type === 'UUID') return bytesText('uuid', uuidText);
  if (!UTF8_TYPES.includes(converted) && !UTF8_TYPES.includes(logical?.type))
    return bytesText(type === 'BYTE_ARRAY' ? 'binary' : `binary(${length ?? 0})`, blobText);
  const name = (logical?.type ?? converted ?? 'string').toLowerCase().replace('utf8', 'string');
  return { ...bytesText(name, cellText), isUtf8: true };
}

function bytesText(name: string, text: (bytes: Buffer) => string): LeafType {
  return texts(name, (values) => {
    const at = bytesAt(values);
    return (i) => text(at(i));
  });
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
