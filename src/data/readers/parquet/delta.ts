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
  let [low, high] = wordsOf(varints.zigzag());
  words.set(count > 0 ? [low, high].slice(0, wordsPerValue) : []);
  const miniblockValues = blockValues / numMiniblocks;
  for (let done = 1; done < count;) {
    const [stepLow, stepHigh] = wordsOf(varints.zigzag());
    const widths = bytes.subarray(varints.at, varints.at + numMiniblocks);
    varints.at += numMiniblocks;
    for (let m = 0; m < numMiniblocks && done < count; m++) {
      const width = widths[m]!;
      const end = Math.min(done + miniblockValues, count);
      if (!(width <= 64 && varints.at + Math.ceil(((end - done) * width) / 8) <= bytes.length)) throw truncated();
      const lowMask = width >= 32 ? -1 : (1 << width) - 1;
      const highMask = width === 64 ? -1 : width > 32 ? (1 << (width - 32)) - 1 : 0;
      // Words, since BigInt would be slow.
      for (let bit = 0; done < end; done++, bit += width) {
        const packedLow = lowMask === 0 ? 0 : wordAt(bytes, varints.at, bit) & lowMask;
        const packedHigh = highMask === 0 ? 0 : wordAt(bytes, varints.at, bit + 32) & highMask;
        const sum = (low >>> 0) + (stepLow >>> 0) + (packedLow >>> 0);
        high = (high + stepHigh + packedHigh + Math.floor(sum / 2 ** 32)) | 0;
        low = sum | 0;
        words[wordsPerValue * done] = low;
        if (wordsPerValue === 2) words[2 * done + 1] = high;
      }
      varints.at += (miniblockValues * width) / 8;
    }
  }
  return { words, end: varints.at };
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
