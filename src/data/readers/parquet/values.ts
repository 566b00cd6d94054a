import type { Encoding, ParquetType } from 'hyparquet';
import { decodeDelta } from './delta.js';

/** The values of a page or of a dictionary as they are stored: little-endian, as all supported machines are. */
export type Values = { readonly count: number } & (
  | { readonly kind: 'bits'; readonly bytes: Buffer }
  | { readonly kind: 'int32'; readonly data: Int32Array }
  /** Two words per value, low word first. */
  | { readonly kind: 'int64'; readonly words: Int32Array }
  | { readonly kind: 'float'; readonly data: Float32Array }
  | { readonly kind: 'double'; readonly data: Float64Array }
  /** Value i is stored from begins[i] to begins[i + 1] - gap. */
  | { readonly kind: 'bytes'; readonly bytes: Buffer; readonly begins: Uint32Array; readonly gap: number }
);

/** Physical type of a leaf. */
export interface Stored {
  readonly type: ParquetType;
  /** Bytes of a FIXED_LEN_BYTE_ARRAY. */
  readonly typeLength: number;
}

/** Decodes at most `limit` values; fewer if the bytes end before. */
export function readValues({ type, typeLength }: Stored, encoding: Encoding, bytes: Buffer, limit: number): Values {
  switch (encoding) {
    case 'PLAIN':
      if (type === 'BOOLEAN') return { kind: 'bits', bytes, count: Math.min(limit, 8 * bytes.length) };
      return type === 'BYTE_ARRAY' ? plainByteArrays(bytes, limit) : fixedValues(type, typeLength, bytes, limit);
    case 'BYTE_STREAM_SPLIT': {
      const width = widthOf(type, typeLength);
      if (bytes.length % width !== 0) throw new Error(`its ${bytes.length} bytes are not a multiple of ${width}`);
      return fixedValues(type, typeLength, joinStreams(bytes, width), limit);
    }
    case 'DELTA_BINARY_PACKED': {
      const { words } = decodeDelta(bytes, 0, type === 'INT32' ? 1 : 2, limit);
      return fixedValues(type, typeLength, Buffer.from(words.buffer), limit);
    }
    case 'DELTA_LENGTH_BYTE_ARRAY': {
      const { words: lengths, end } = decodeDelta(bytes, 0, 1, limit);
      return { kind: 'bytes', bytes, begins: beginsOf(lengths, end, bytes.length), gap: 0, count: lengths.length };
    }
    case 'DELTA_BYTE_ARRAY':
      return deltaByteArrays(bytes, limit);
    default:
      throw new Error(`its encoding ${encoding} of ${type} is not supported`);
  }
}

/** A value of a page: its index, and its first byte. */
export interface ValuePlace {
  readonly place: number;
  readonly byte: number;
}

/**
 * Finds the first value of plain bytes that is at least `values` values and `size` bytes after another, or the end.
 */
export function skipPlain(
  { type, typeLength }: Stored,
  bytes: Buffer,
  from: ValuePlace,
  values: number,
  size: number,
): ValuePlace {
  if (type !== 'BYTE_ARRAY') {
    const width = widthOf(type, typeLength);
    const place = Math.min(Math.floor(bytes.length / width), from.place + Math.max(values, Math.floor(size / width)));
    return { place, byte: place * width };
  }
  let { place, byte } = from;
  while ((place < from.place + values || byte < from.byte + size) && byte + 4 <= bytes.length) {
    byte += 4 + bytes.readUInt32LE(byte);
    place++;
  }
  return { place, byte: Math.min(byte, bytes.length) };
}

/**
 * Copies the values at some places of a plain dictionary, as plain bytes.
 * @param limit number of values in the dictionary
 * @param until number of bytes that suffice, and minimum number of values
 */
export function copyPlaces(
  { type, typeLength }: Stored,
  bytes: Buffer,
  limit: number,
  places: Int32Array,
  until: { readonly size: number; readonly values: number },
): Buffer {
  const width = type === 'BYTE_ARRAY' ? 0 : widthOf(type, typeLength);
  const texts = width === 0 ? plainByteArrays(bytes, limit) : undefined;
  const begin = (place: number): number => (texts === undefined ? place * width : texts.begins[place]! - 4);
  const valueCount = texts?.count ?? Math.min(limit, Math.floor(bytes.length / width));
  let size = 0;
  let count = 0;
  for (; count < places.length && (count < until.values || size < until.size); count++) {
    const place = places[count]!;
    if (place < 0 || place >= valueCount) throw new Error('a value is missing: its page is damaged');
    size += begin(place + 1) - begin(place);
  }
  const copy = Buffer.from(new ArrayBuffer(size));
  for (let i = 0, at = 0; i < count; i++) {
    const end = begin(places[i]! + 1);
    // Faster than Buffer.copy for short values.
    for (let from = begin(places[i]!); from < end; from++) copy[at++] = bytes[from]!;
  }
  return copy;
}

function widthOf(type: ParquetType, typeLength: number): number {
  const widths: Partial<Record<ParquetType, number>> = {
    INT32: 4,
    FLOAT: 4,
    INT64: 8,
    DOUBLE: 8,
    INT96: 12,
    FIXED_LEN_BYTE_ARRAY: typeLength,
  };
  const width = widths[type];
  if (width === undefined || width < 1) throw new Error(`its values of ${type} have no declared length`);
  return width;
}

function fixedValues(type: ParquetType, typeLength: number, bytes: Buffer, limit: number): Values {
  const width = widthOf(type, typeLength);
  const count = Math.min(limit, Math.floor(bytes.length / width));
  if (type === 'INT96' || type === 'FIXED_LEN_BYTE_ARRAY')
    return {
      kind: 'bytes',
      bytes,
      begins: Uint32Array.from({ length: count + 1 }, (_, i) => i * width),
      gap: 0,
      count,
    };
  const size = count * width;
  // A typed array must be aligned to its elements.
  const [memory, offset] =
    bytes.byteOffset % 8 === 0
      ? [bytes.buffer, bytes.byteOffset]
      : [Uint8Array.prototype.slice.call(bytes, 0, size).buffer, 0];
  if (type === 'INT32') return { kind: 'int32', data: new Int32Array(memory, offset, count), count };
  if (type === 'INT64') return { kind: 'int64', words: new Int32Array(memory, offset, 2 * count), count };
  return type === 'FLOAT'
    ? { kind: 'float', data: new Float32Array(memory, offset, count), count }
    : { kind: 'double', data: new Float64Array(memory, offset, count), count };
}

/** Each value follows its length in four bytes. */
function plainByteArrays(bytes: Buffer, limit: number): Extract<Values, { kind: 'bytes' }> {
  const begins = new Uint32Array(Math.min(limit, Math.floor(bytes.length / 4)) + 1);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const last = bytes.length - 4;
  let at = 0;
  let count = 0;
  while (count < limit && at <= last) {
    begins[count++] = at + 4;
    at += 4 + view.getUint32(at, true);
  }
  if (at > bytes.length) throw new Error('a value extends past its page');
  begins[count] = at + 4;
  return { kind: 'bytes', bytes, begins, gap: 4, count };
}

/** Joins the first bytes of all values, the second bytes of all, …. */
function joinStreams(bytes: Buffer, width: number): Buffer {
  const count = Math.floor(bytes.length / width);
  const joined = Buffer.from(new ArrayBuffer(count * width));
  for (let b = 0; b < width; b++)
    for (let i = 0, from = b * count; i < count; i++) joined[i * width + b] = bytes[from + i]!;
  return joined;
}

function beginsOf(lengths: Int32Array, begin: number, end: number): Uint32Array {
  const begins = new Uint32Array(lengths.length + 1);
  let at = begin;
  for (const [i, length] of lengths.entries()) {
    begins[i] = at;
    at += length;
    if (length < 0 || at > end) throw new Error('a value extends past its page');
  }
  begins[lengths.length] = at;
  return begins;
}

/** Each value shares a prefix with the previous one. */
function deltaByteArrays(bytes: Buffer, limit: number): Values {
  const { words: prefixes, end: prefixesEnd } = decodeDelta(bytes, 0, 1, limit);
  const { words: suffixes, end } = decodeDelta(bytes, prefixesEnd, 1, limit);
  if (prefixes.length !== suffixes.length)
    throw new Error(`it has ${prefixes.length} prefixes and ${suffixes.length} suffixes`);
  const from = beginsOf(suffixes, end, bytes.length);
  const lengths = new Int32Array(prefixes.length);
  for (const [i, prefix] of prefixes.entries()) {
    if (prefix < 0 || prefix > (lengths[i - 1] ?? 0))
      throw new Error('the prefix of a value exceeds the previous value');
    lengths[i] = prefix + suffixes[i]!;
  }
  const size = lengths.reduce((sum, length) => sum + length, 0);
  const begins = beginsOf(lengths, 0, size);
  const whole = Buffer.alloc(size);
  for (let i = 0; i < lengths.length; i++) {
    const prefix = prefixes[i]!;
    if (i > 0) whole.copy(whole, begins[i], begins[i - 1], begins[i - 1]! + prefix);
    bytes.copy(whole, begins[i]! + prefix, from[i], from[i + 1]);
  }
  return { kind: 'bytes', bytes: whole, begins, gap: 0, count: lengths.length };
}
