// Integers as differences of consecutive ones
// (https://github.com/apache/parquet-format/blob/master/Encodings.md, DELTA_BINARY_PACKED).
// Not hyparquet's decoder: it is private, and does not check the declared number of values.

import { wordAt } from './hybrid.js';

/** The number of values per miniblock is a multiple of it, so that a miniblock ends with a byte. */
const MINIBLOCK_MULTIPLE = 8;
const MAX_VARINT_BYTES = 10;

/**
 * Decodes integers of one or two 32-bit words, low word first, modulo 2^32 or 2^64. Their own header declares their
 * number.
 * @returns the words, and the byte after the integers
 * @throws Error for a header that is invalid or declares more than `limit` integers, and for truncated bytes
 */
export function decodeDelta(
  bytes: Buffer,
  begin: number,
  wordsPerValue: 1 | 2,
  limit: number,
): { readonly words: Int32Array; readonly end: number } {
  const varints = new Varints(bytes, begin);
  const blockValues = Number(varints.next());
  const numMiniblocks = Number(varints.next());
  if (!(blockValues > 0 && numMiniblocks > 0 && blockValues % (MINIBLOCK_MULTIPLE * numMiniblocks) === 0))
    throw new Error(`its delta blocks of ${blockValues} values have ${numMiniblocks} miniblocks`);
  const count = Number(varints.next());
  if (count > limit) throw new Error(`a page has ${count} values, more than the ${limit} that its header declares`);
  const words = new Int32Array(wordsPerValue * count);
  const first = varints.zigzag();
  if (count > 0) words.set([lowWord(first), highWord(first)].slice(0, wordsPerValue));
  const miniblockValues = blockValues / numMiniblocks;
  for (let done = 1; done < count;) {
    const step = varints.zigzag();
    const widths = bytes.subarray(varints.at, varints.at + numMiniblocks);
    varints.at += numMiniblocks;
    for (let m = 0; m < numMiniblocks && done < count; m++) {
      const width = widths[m]!;
      const values = Math.min(miniblockValues, count - done);
      if (!(width <= 64 && varints.at + Math.ceil((values * width) / 8) <= bytes.length)) throw truncated();
      const target = words.subarray(wordsPerValue * (done - 1), wordsPerValue * (done + values));
      const packed = { begin: varints.at, width, low: lowWord(step), high: highWord(step) };
      (wordsPerValue === 1 ? addPacked32 : addPacked64)(target, bytes, packed);
      varints.at += (miniblockValues * width) / 8;
      done += values;
    }
  }
  return { words, end: varints.at };
}

/** Differences: packed integers of `width` bits, each plus a number of two words. */
interface Packed {
  readonly begin: number;
  readonly width: number;
  readonly low: number;
  readonly high: number;
}

/** Computes each integer after the first one from the previous one. */
function addPacked32(words: Int32Array, bytes: Buffer, { begin, width, low }: Packed): void {
  const mask = width >= 32 ? -1 : (1 << width) - 1;
  for (let i = 1, bit = 0; i < words.length; i++, bit += width)
    words[i] = words[i - 1]! + low + (width === 0 ? 0 : wordAt(bytes, begin, bit) & mask);
}

/** Computes the same for two words per integer, since BigInt would be slow. */
function addPacked64(words: Int32Array, bytes: Buffer, { begin, width, low, high }: Packed): void {
  const lowMask = width >= 32 ? -1 : (1 << width) - 1;
  const highMask = width === 64 ? -1 : width > 32 ? (1 << (width - 32)) - 1 : 0;
  for (let i = 2, bit = 0; i < words.length; i += 2, bit += width) {
    const packedLow = width === 0 ? 0 : wordAt(bytes, begin, bit) & lowMask;
    const packedHigh = width > 32 ? wordAt(bytes, begin, bit + 32) & highMask : 0;
    const sum = (words[i - 2]! >>> 0) + (packedLow >>> 0) + (low >>> 0);
    words[i] = sum;
    words[i + 1] = words[i - 1]! + packedHigh + high + Math.floor(sum / 2 ** 32);
  }
}

class Varints {
  at: number;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer, begin: number) {
    this.#bytes = bytes;
    this.at = begin;
  }

  next(): bigint {
    let value = 0n;
    for (let i = 0n; i < MAX_VARINT_BYTES; i++) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) break;
      value |= BigInt(byte & 127) << (7n * i);
      if (byte < 128) return value;
    }
    throw truncated();
  }

  zigzag(): bigint {
    const value = this.next();
    return (value & 1n) === 0n ? value >> 1n : -(value >> 1n) - 1n;
  }
}

function lowWord(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}

function highWord(value: bigint): number {
  return Number(BigInt.asIntN(32, value >> 32n));
}

function truncated(): Error {
  return new Error('its delta-encoded integers are truncated');
}
