import type { SchemaElement } from 'hyparquet';
import { cellText } from '../cell-text.js';
import { decimalText, doubleText, halfFloat, shortestDecimal } from './number-text.js';
import { dateText, timeOfDayText, timestampText } from './time-text.js';
import type { Values } from './values.js';

/** A value by its place among stored ones. */
export type At<Value> = (place: number) => Value;

/** Numbers by the place of their value, in the memory of the values. */
export type RawNumbers = Int32Array | Uint32Array | Float64Array;

/** What the values of a leaf are: the text that DuckDB's CSV export gives, and a number where that text is one. */
export interface LeafType {
  /** For people. */
  readonly name: string;
  readonly text: (values: Values) => At<string>;
  readonly number?: {
    /** Whether the texts of all numbers are digits alone. */
    readonly isWhole: boolean;
    /** NaN where only the text is exact. */
    readonly at: (values: Values) => At<number>;
    /** The same, where values are stored as what they are. */
    readonly raw?: (values: Values) => RawNumbers;
    readonly text: (value: number) => string;
  };
}

/** The type of a leaf, or the name of one that has no text. */
export function leafType(element: SchemaElement): LeafType | string {
  const { type, converted_type: converted, logical_type: logical } = element;
  if (logical?.type === 'DECIMAL' || converted === 'DECIMAL') return decimal(element);
  switch (type) {
    case 'BOOLEAN':
      return numbers(
        'boolean',
        true,
        (values) => (i) => (ofKind(values, 'bits').bytes[i >> 3]! >> (i & 7)) & 1,
        (value) => (value === 1 ? 'true' : 'false'),
      );
    case 'INT32':
      if (logical?.type === 'DATE' || converted === 'DATE')
        return texts('date', (values) => (i) => dateText(ofKind(values, 'int32').data[i]!));
      if (logical?.type === 'TIME' || converted === 'TIME_MILLIS') {
        const isUtc = logical?.type === 'TIME' && logical.isAdjustedToUTC;
        return texts('time', (values) => (i) => timeOfDayText(BigInt(ofKind(values, 'int32').data[i]!), 3, isUtc));
      }
      return isUnsigned(element)
        ? rawNumbers('uint32', true, (values) => withoutSign(ofKind(values, 'int32').data), String)
        : rawNumbers('int32', true, (values) => ofKind(values, 'int32').data, String);
    case 'INT64':
      return int64(element);
    case 'FLOAT':
      return numbers('float', false, (values) => (i) => shortestDecimal(ofKind(values, 'float').data[i]!), doubleText);
    case 'DOUBLE':
      return rawNumbers('double', false, (values) => ofKind(values, 'double').data, doubleText);
    case 'INT96':
      return texts('timestamp (INT96)', (values) => (i) => int96Text(ofKind(values, 'bytes'), i));
    default:
      return bytesType(element);
  }
}

type OfKind<Kind extends Values['kind']> = Extract<Values, { kind: Kind }>;

/** Values of a leaf are stored in the way of its physical type alone. */
function ofKind<Kind extends Values['kind']>(values: Values, kind: Kind): OfKind<Kind> {
  if (values.kind !== kind) throw new Error(`its values are stored as ${values.kind}, not as ${kind}`);
  // The discriminant was compared just now, which a generic does not narrow.
  return values as OfKind<Kind>;
}

function numbers(
  name: string,
  isWhole: boolean,
  at: (values: Values) => At<number>,
  text: (value: number) => string,
): LeafType {
  return {
    name,
    number: { isWhole, at, text },
    text: (values) => {
      const numberAt = at(values);
      return (i) => text(numberAt(i));
    },
  };
}

function rawNumbers(
  name: string,
  isWhole: boolean,
  raw: (values: Values) => RawNumbers,
  text: (value: number) => string,
): LeafType {
  const plain = numbers(
    name,
    isWhole,
    (values) => {
      const all = raw(values);
      return (i) => all[i]!;
    },
    text,
  );
  return { ...plain, number: { ...plain.number!, raw } };
}

/** The same words as numbers that have no sign. */
function withoutSign({ buffer, byteOffset, length }: Int32Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length);
}

function texts(name: string, text: (values: Values) => At<string>): LeafType {
  return { name, text };
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
  if (logical?.type === 'TIMESTAMP' || converted?.startsWith('TIMESTAMP_') === true) {
    // A converted type alone says UTC by the format, and has no zone in DuckDB.
    const isUtc = logical?.type === 'TIMESTAMP' && logical.isAdjustedToUTC;
    return texts('timestamp', (values) => {
      const at = bigintAt(values);
      return (i) => timestampText(at(i), digits, isUtc);
    });
  }
  if (logical?.type === 'TIME' || converted?.startsWith('TIME_') === true) {
    const isUtc = logical?.type === 'TIME' && logical.isAdjustedToUTC;
    return texts('time', (values) => {
      const at = bigintAt(values);
      return (i) => timeOfDayText(at(i), digits, isUtc);
    });
  }
  const unsigned = isUnsigned(element);
  return {
    name: unsigned ? 'uint64' : 'int64',
    number: {
      isWhole: true,
      at: (values) => {
        const { words } = ofKind(values, 'int64');
        return (i) => {
          const high = unsigned ? words[2 * i + 1]! >>> 0 : words[2 * i + 1]!;
          const value = high * 2 ** 32 + (words[2 * i]! >>> 0);
          return Number.isSafeInteger(value) ? value : NaN;
        };
      },
      text: String,
    },
    text: (values) => {
      const at = bigintAt(values);
      return unsigned ? (i) => String(BigInt.asUintN(64, at(i))) : (i) => String(at(i));
    },
  };
}

/** Its digits as a whole number, big-endian where they are bytes. */
function decimal({ type, scale, precision, logical_type: logical }: SchemaElement): LeafType {
  const places = (logical?.type === 'DECIMAL' ? logical.scale : scale) ?? 0;
  const digits = (logical?.type === 'DECIMAL' ? logical.precision : precision) ?? 0;
  return texts(`decimal(${digits},${places})`, (values) => {
    if (type === 'INT32') return (i) => decimalText(ofKind(values, 'int32').data[i]!, places, digits);
    if (type === 'INT64') {
      const at = bigintAt(values);
      return (i) => decimalText(at(i), places, digits);
    }
    const at = bytesAt(values);
    return (i) => {
      const bytes = at(i);
      return decimalText(
        bytes.length === 0 ? 0n : BigInt.asIntN(8 * bytes.length, BigInt(`0x${bytes.toString('hex')}`)),
        places,
        digits,
      );
    };
  });
}

function bytesAt(values: Values): At<Buffer> {
  const { bytes, begins, gap } = ofKind(values, 'bytes');
  return (i) => bytes.subarray(begins[i], begins[i + 1]! - gap);
}

/** Nanoseconds of a day and the Julian day; DuckDB takes it in microseconds. */
function int96Text({ bytes, begins }: OfKind<'bytes'>, i: number): string {
  const nanos = bytes.readBigInt64LE(begins[i]);
  const days = BigInt(bytes.readInt32LE(begins[i]! + 8) - 2_440_588);
  return timestampText(days * 86_400_000_000n + nanos / 1000n, 6, false);
}

function bytesType({
  type,
  converted_type: converted,
  logical_type: logical,
  type_length: length,
}: SchemaElement): LeafType | string {
  if (converted === 'INTERVAL') return 'interval';
  if (converted === 'BSON' || logical?.type === 'BSON') return 'bson';
  if (logical?.type === 'VARIANT' || logical?.type === 'GEOMETRY' || logical?.type === 'GEOGRAPHY')
    return logical.type.toLowerCase();
  if (logical?.type === 'FLOAT16')
    return numbers(
      'float16',
      false,
      (values) => {
        const at = bytesAt(values);
        return (i) => shortestDecimal(halfFloat(at(i).readUInt16LE(0)));
      },
      doubleText,
    );
  if (logical?.type === 'UUID')
    return texts('uuid', (values) => {
      const at = bytesAt(values);
      return (i) =>
        at(i)
          .toString('hex')
          .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    });
  const isText =
    converted === 'UTF8' ||
    converted === 'ENUM' ||
    converted === 'JSON' ||
    logical?.type === 'STRING' ||
    logical?.type === 'ENUM' ||
    logical?.type === 'JSON';
  if (!isText)
    return texts(type === 'BYTE_ARRAY' ? 'binary' : `binary(${length ?? 0})`, (values) => {
      const at = bytesAt(values);
      return (i) => blobText(at(i));
    });
  return texts((logical?.type ?? converted ?? 'string').toLowerCase().replace('utf8', 'string'), (values) => {
    const { bytes, begins, gap } = ofKind(values, 'bytes');
    return (i) => cellText(bytes, begins[i], begins[i + 1]! - gap);
  });
}

/** What is not plain ASCII, a quote or a backslash is written in hexadecimal. */
function blobText(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replace(/[^ !#-&(-[\]-~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}
