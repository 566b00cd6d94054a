import type { Encoding, ParquetType, SchemaElement } from 'hyparquet';
import { decodeDelta } from './delta.js';

/**
 * The values of a page or of a dictionary as they are stored: little-endian, as all supported machines are, and aligned
 * to 8 bytes. Booleans are bits. Strings and other bytes begin at `begins[i]` and end at `begins[i + 1] - gap`.
 */
export interface Values {
  readonly bytes: Buffer;
  readonly count: number;
  /** Empty for numbers and booleans. */
  readonly begins: Uint32Array;
  readonly gap: number;
}

/** Physical type of a leaf. */
export interface Stored {
  readonly type: ParquetType;
  /** Bytes of a value; 0 if they vary, or for booleans. */
  readonly width: number;
}

/** Maximum number of values that are read together. */
export const STRIDE = 1024;

const WIDTHS: Partial<Record<ParquetType, number>> = { INT32: 4, FLOAT: 4, INT64: 8, DOUBLE: 8, INT96: 12 };
const NO_BEGINS = new Uint32Array(1);
const EXCEEDS_PAGE = 'a value extends past its page';

/** For a chunk without a dictionary, all of whose values are null. */
export const NO_VALUES: Values = { bytes: Buffer.alloc(0), count: 0, begins: NO_BEGINS, gap: 0 };

/** Returns the physical type of a leaf. */
export function storedType({ type = 'BYTE_ARRAY', type_length: length }: SchemaElement): Stored {
  return { type, width: (type === 'FIXED_LEN_BYTE_ARRAY' ? length : WIDTHS[type]) ?? 0 };
}

/** Decodes at most `limit` values; fewer if the bytes end before. */
export function readValues(stored: Stored, encoding: Encoding, bytes: Buffer, limit: number): Values {
  const { type, width } = stored;
  switch (encoding) {
    case 'PLAIN':
      if (type === 'BOOLEAN') return { ...NO_VALUES, bytes, count: Math.min(limit, 8 * bytes.length) };
      return type === 'BYTE_ARRAY' ? plainByteArrays(bytes, limit) : fixedValues(stored, bytes, limit);
    case 'BYTE_STREAM_SPLIT':
      if (bytes.length % width > 0) throw new Error(`its ${bytes.length} bytes are not a multiple of ${width}`);
      return fixedValues(stored, joinStreams(bytes, width), limit);
    case 'DELTA_BINARY_PACKED': {
      const { words } = decodeDelta(bytes, 0, width === 4 ? 1 : 2, limit);
      return fixedValues(stored, Buffer.from(words.buffer), limit);
    }
    case 'DELTA_LENGTH_BYTE_ARRAY': {
      const { words: lengths, end } = decodeDelta(bytes, 0, 1, limit);
      return { bytes, begins: beginsOf(lengths, end, bytes.length), gap: 0, count: lengths.length };
    }
    case 'DELTA_BYTE_ARRAY':
      return deltaByteArrays(bytes, limit);
    default:
      throw new Error(`its encoding ${encoding} of ${type} is not supported`);
  }
}

/**
 * Copies values: those at some places, or all from a place on. Stops at a place without a value, or if the values have
 * `size` bytes, but not before there are as many as a stride has.
 */
export function copyValues(
  { width }: Stored,
  { bytes, begins, gap, count: limit }: Values,
  places: Int32Array | number,
  size: number,
): Values {
  const placeAt = typeof places === 'number' ? (i: number) => places + i : (i: number) => places[i] ?? limit;
  const isFixed = begins.length === 1 && width > 0;
  const beginOf = isFixed ? (place: number) => width * place : (place: number) => begins[place]!;
  const endOf = isFixed ? (place: number) => width * (place + 1) : (place: number) => begins[place + 1]! - gap;
  let count = 0;
  let total = 0;
  for (; placeAt(count) >>> 0 < limit && (count < STRIDE || total < size); count++)
    total += endOf(placeAt(count)) - beginOf(placeAt(count));
  const copy = Buffer.from(new ArrayBuffer(total));
  const ends = isFixed ? NO_BEGINS : new Uint32Array(count + 1);
  for (let i = 0, at = 0; i < count; i++) {
    const end = endOf(placeAt(i));
    // Faster than Buffer.copy for short values.
    for (let from = beginOf(placeAt(i)); from < end; from++) copy[at++] = bytes[from]!;
    if (!isFixed) ends[i + 1] = at;
  }
  return { bytes: copy, begins: ends, gap: 0, count };
}

function fixedValues({ type, width }: Stored, bytes: Buffer, limit: number): Values {
  if (width < 1) throw new Error(`its values of ${type} have no declared length`);
  const count = Math.min(limit, Math.floor(bytes.length / width));
  if (type !== 'INT96' && type !== 'FIXED_LEN_BYTE_ARRAY') return { ...NO_VALUES, bytes, count };
  const begins = new Uint32Array(count + 1);
  for (let i = 1; i <= count; i++) begins[i] = i * width;
  return { bytes, begins, gap: 0, count };
}

/** Each value follows its length in four bytes. */
function plainByteArrays(bytes: Buffer, limit: number): Values {
  const begins = new Uint32Array(Math.min(limit, Math.floor(bytes.length / 4)) + 1);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const last = bytes.length - 4;
  let at = 0;
  let count = 0;
  while (count < limit && at <= last) {
    begins[count++] = at + 4;
    at += 4 + view.getUint32(at, true);
  }
  if (at > bytes.length) throw new Error(EXCEEDS_PAGE);
  begins[count] = at + 4;
  return { bytes, begins, gap: 4, count };
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
    if (length < 0 || at > end) throw new Error(EXCEEDS_PAGE);
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
  for (const [i, prefix] of prefixes.entries()) {
    if (i > 0) whole.copy(whole, begins[i], begins[i - 1], begins[i - 1]! + prefix);
    bytes.copy(whole, begins[i]! + prefix, from[i], from[i + 1]);
  }
  return { bytes: whole, begins, gap: 0, count: lengths.length };
}
