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
  const first = wordsOf(varints.zigzag());
  if (count > 0) words.set(first.slice(0, wordsPerValue));
  const miniblockValues = blockValues / numMiniblocks;
  for (let done = 1; done < count;) {
    const step = wordsOf(varints.zigzag());
    const widths = bytes.subarray(varints.at, varints.at + numMiniblocks);
    varints.at += numMiniblocks;
    for (let m = 0; m < numMiniblocks && done < count; m++) {
      const width = widths[m]!;
      const values = Math.min(miniblockValues, count - done);
      if (!(width <= 64 && varints.at + Math.ceil((values * width) / 8) <= bytes.length)) throw truncated();
      const target = words.subarray(wordsPerValue * (done - 1), wordsPerValue * (done + values));
      addPacked(target, wordsPerValue, step, bytes, varints.at, width);
      varints.at += (miniblockValues * width) / 8;
      done += values;
    }
  }
  return { words, end: varints.at };
}

/**
 * Computes each integer after the first one from the previous one, as words, since BigInt would be slow.
 * @param step addend of all differences, which are packed in `width` bits each
 */
function addPacked(
  words: Int32Array,
  wordsPerValue: 1 | 2,
  [stepLow, stepHigh]: readonly [number, number],
  bytes: Buffer,
  begin: number,
  width: number,
): void {
  const lowMask = width >= 32 ? -1 : (1 << width) - 1;
  const highMask = width === 64 ? -1 : width > 32 ? (1 << (width - 32)) - 1 : 0;
  for (let i = wordsPerValue, bit = 0; i < words.length; i += wordsPerValue, bit += width) {
    const low = lowMask === 0 ? 0 : wordAt(bytes, begin, bit) & lowMask;
    if (wordsPerValue === 1) {
      words[i] = words[i - 1]! + stepLow + low;
      continue;
    }
    const sum = (words[i - 2]! >>> 0) + (stepLow >>> 0) + (low >>> 0);
    const high = highMask === 0 ? 0 : wordAt(bytes, begin, bit + 32) & highMask;
    words[i] = sum;
    words[i + 1] = words[i - 1]! + stepHigh + high + Math.floor(sum / 2 ** 32);
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

/** Returns the low and the high word of an integer. */
function wordsOf(value: bigint): readonly [number, number] {
  return [Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n))];
}

function truncated(): Error {
  return new Error('its delta-encoded integers are truncated');
}
