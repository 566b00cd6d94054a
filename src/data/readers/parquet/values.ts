import type { Encoding, ParquetType, SchemaElement } from 'hyparquet';
import { grown } from '../../../core/grown.js';
import { decodeDelta } from './delta.js';

/**
 * Values as they are stored: little-endian, as all supported machines are. Those that become numbers are aligned to 8
 * bytes.
 */
export interface Values {
  readonly bytes: Buffer;
  readonly count: number;
  /** Bytes of each value; 0 if they vary. */
  readonly width: number;
  /** The first byte of each value, and the byte after it, if the width varies. */
  readonly begins: Uint32Array;
  readonly ends: Uint32Array;
}

/** Physical type of a leaf. */
export interface Stored {
  readonly type: ParquetType;
  /** Bytes of a value; 0 if they vary. A boolean has one. */
  readonly width: number;
}

/** Maximum number of values that are read together. */
export const STRIDE = 1024;

const WIDTHS: Partial<Record<ParquetType, number>> = { BOOLEAN: 1, INT32: 4, FLOAT: 4, INT64: 8, DOUBLE: 8, INT96: 12 };
const NO_OFFSETS = new Uint32Array(0);
const EXCEEDS_PAGE = 'a value extends past its page';
/** A loop copies a shorter value faster than a call does. */
const SHORT_BYTES = 64;

/** For a chunk without a dictionary, all of whose values are null. */
export const NO_VALUES: Values = { bytes: Buffer.alloc(0), count: 0, width: 0, begins: NO_OFFSETS, ends: NO_OFFSETS };

/** Returns the physical type of a leaf. */
export function storedType({ type = 'BYTE_ARRAY', type_length: length }: SchemaElement): Stored {
  return { type, width: (type === 'FIXED_LEN_BYTE_ARRAY' ? length : WIDTHS[type]) ?? 0 };
}

/** Decodes at most `limit` values other than booleans; fewer if the bytes end before. */
export function readValues({ type, width }: Stored, encoding: Encoding, bytes: Buffer, limit: number): Values {
  switch (encoding) {
    case 'PLAIN':
      return type === 'BYTE_ARRAY' ? plainByteArrays(bytes, limit) : fixedValues(type, width, bytes, limit);
    case 'BYTE_STREAM_SPLIT':
      if (bytes.length % width > 0) throw new Error(`its ${bytes.length} bytes are not a multiple of ${width}`);
      return fixedValues(type, width, joinStreams(bytes, width), limit);
    case 'DELTA_BINARY_PACKED': {
      const { words } = decodeDelta(bytes, 0, width === 4 ? 1 : 2, limit);
      return fixedValues(type, width, Buffer.from(words.buffer), limit);
    }
    case 'DELTA_LENGTH_BYTE_ARRAY': {
      const { words: lengths, end } = decodeDelta(bytes, 0, 1, limit);
      return byteArrays(bytes, lengths, end);
    }
    case 'DELTA_BYTE_ARRAY':
      return deltaByteArrays(bytes, limit);
    default:
      throw new Error(`its encoding ${encoding} of ${type} is not supported`);
  }
}

/** Values that are copied from pages and dictionaries. Memory is reused. */
export class ValueStore {
  count = 0;
  size = 0;
  readonly #width: number;
  #bytes = NO_VALUES.bytes;
  #begins = NO_OFFSETS;
  #ends = NO_OFFSETS;

  constructor(width: number) {
    this.#width = width;
  }

  /** Appends `count` values from index `from` on. */
  append({ bytes, begins, ends }: Values, from: number, count: number): void {
    if (count === 0) return;
    const [width, first] = [this.#width, this.count];
    const begin = width > 0 ? width * from : begins[from]!;
    const end = width > 0 ? width * (from + count) : ends[from + count - 1]!;
    const moved = this.size - begin;
    this.count += count;
    this.size += end - begin;
    if (this.size > this.#bytes.length) {
      const larger = Buffer.from(new ArrayBuffer(Math.max(this.size, 2 * this.#bytes.length)));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    if (end - begin > SHORT_BYTES) this.#bytes.set(bytes.subarray(begin, end), begin + moved);
    else for (let at = begin; at < end; at++) this.#bytes[at + moved] = bytes[at]!;
    if (width > 0) return;
    this.#begins = grown(this.#begins, this.count);
    this.#ends = grown(this.#ends, this.count);
    for (let i = 0; i < count; i++) {
      this.#begins[first + i] = begins[from + i]! + moved;
      this.#ends[first + i] = ends[from + i]! + moved;
    }
  }

  /** Returns the values, valid until the next ones are appended, and starts again without any. */
  take(): Values {
    const { count } = this;
    this.count = this.size = 0;
    return { bytes: this.#bytes, count, width: this.#width, begins: this.#begins, ends: this.#ends };
  }
}

function fixedValues(type: ParquetType, width: number, bytes: Buffer, limit: number): Values {
  if (width < 1) throw new Error(`its values of ${type} have no declared length`);
  return { ...NO_VALUES, bytes, width, count: Math.min(limit, Math.floor(bytes.length / width)) };
}

/** Each value follows its length in four bytes. */
function plainByteArrays(bytes: Buffer, limit: number): Values {
  const most = Math.min(limit, Math.floor(bytes.length / 4));
  const [begins, ends] = [new Uint32Array(most), new Uint32Array(most)];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const last = bytes.length - 4;
  let at = 0;
  let count = 0;
  while (count < limit && at <= last) {
    begins[count] = at + 4;
    at += 4 + view.getUint32(at, true);
    ends[count++] = at;
  }
  if (at > bytes.length) throw new Error(EXCEEDS_PAGE);
  return { bytes, width: 0, begins, ends, count };
}

/** Joins the first bytes of all values, the second bytes of all, …. */
function joinStreams(bytes: Buffer, width: number): Buffer {
  const count = Math.floor(bytes.length / width);
  const joined = Buffer.from(new ArrayBuffer(count * width));
  for (let b = 0; b < width; b++)
    for (let i = 0, from = b * count; i < count; i++) joined[i * width + b] = bytes[from + i]!;
  return joined;
}

/** Consecutive values of some lengths, from a byte on. */
function byteArrays(bytes: Buffer, lengths: Int32Array, begin: number): Values {
  const offsets = new Uint32Array(lengths.length + 1);
  offsets[0] = begin;
  for (const [i, length] of lengths.entries()) {
    if (length < 0 || offsets[i]! + length > bytes.length) throw new Error(EXCEEDS_PAGE);
    offsets[i + 1] = offsets[i]! + length;
  }
  return { bytes, width: 0, begins: offsets, ends: offsets.subarray(1), count: lengths.length };
}

/** Each value shares a prefix with the previous one. */
function deltaByteArrays(bytes: Buffer, limit: number): Values {
  const { words: prefixes, end: prefixesEnd } = decodeDelta(bytes, 0, 1, limit);
  const { words: lengths, end } = decodeDelta(bytes, prefixesEnd, 1, limit);
  if (prefixes.length !== lengths.length)
    throw new Error(`it has ${prefixes.length} prefixes and ${lengths.length} suffixes`);
  const suffixes = byteArrays(bytes, lengths, end);
  for (const [i, prefix] of prefixes.entries()) {
    if (prefix < 0 || prefix > (lengths[i - 1] ?? 0))
      throw new Error('the prefix of a value exceeds the previous value');
    lengths[i]! += prefix;
  }
  const values = byteArrays(Buffer.alloc(lengths.reduce((sum, length) => sum + length, 0)), lengths, 0);
  for (const [i, prefix] of prefixes.entries()) {
    const begin = values.begins[i]!;
    const previous = values.begins[i - 1] ?? 0;
    values.bytes.copyWithin(begin, previous, previous + prefix);
    bytes.copy(values.bytes, begin + prefix, suffixes.begins[i], suffixes.ends[i]);
  }
  return values;
}
