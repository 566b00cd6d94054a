// Integers as differences of consecutive ones
// (https://github.com/apache/parquet-format/blob/master/Encodings.md, DELTA_BINARY_PACKED).
// Not hyparquet's decoder: it is private, and does not check the declared number of values.

/** The number of values per miniblock is a multiple of it, so that a miniblock ends with a byte. */
const MINIBLOCK_MULTIPLE = 8;
const MAX_VARINT_BYTES = 10;

/** Decoded integers, one or two 32-bit words each, low word first; and the byte after them. */
export interface DeltaIntegers {
  readonly words: Int32Array;
  readonly end: number;
}

/**
 * Decodes integers modulo 2^32 or 2^64. Their own header declares how many there are.
 * @throws Error for a header that is invalid or declares more than `limit` integers, and for truncated bytes
 */
export function decodeDelta(bytes: Buffer, begin: number, wordsPerValue: 1 | 2, limit: number): DeltaIntegers {
  const varints = new Varints(bytes, begin);
  const blockValues = Number(varints.next());
  const numMiniblocks = Number(varints.next());
  if (!(blockValues > 0 && numMiniblocks > 0 && blockValues % (MINIBLOCK_MULTIPLE * numMiniblocks) === 0))
    throw new Error(`its delta blocks of ${blockValues} values have ${numMiniblocks} miniblocks`);
  const count = Number(varints.next());
  if (count > limit) throw new Error(`a page has ${count} values, more than the ${limit} that its header declares`);
  const sum = new RunningSum(new Int32Array(wordsPerValue * count), wordsPerValue);
  const first = varints.zigzag();
  if (count > 0) sum.add(lowWord(first), highWord(first));
  const miniblockValues = blockValues / numMiniblocks;
  for (let done = 1; done < count;) {
    const step = varints.zigzag();
    const widths = varints.at;
    if (widths + numMiniblocks > bytes.length) throw truncated();
    varints.at += numMiniblocks;
    for (let m = 0; m < numMiniblocks && done < count; m++) {
      const width = bytes[widths + m]!;
      const values = Math.min(miniblockValues, count - done);
      if (width > 64 || varints.at + Math.ceil((values * width) / 8) > bytes.length) throw truncated();
      sum.addPacked(bytes, varints.at, width, values, lowWord(step), highWord(step));
      varints.at += (miniblockValues * width) / 8;
      done += values;
    }
  }
  return { words: sum.words, end: varints.at };
}

/** Adds differences of up to 64 bits as pairs of words, since BigInt would be slow. */
class RunningSum {
  readonly words: Int32Array;
  readonly #wordsPerValue: 1 | 2;
  #at = 0;
  #low = 0;
  #high = 0;

  constructor(words: Int32Array, wordsPerValue: 1 | 2) {
    this.words = words;
    this.#wordsPerValue = wordsPerValue;
  }

  add(low: number, high: number): void {
    const sum = (this.#low >>> 0) + (low >>> 0);
    this.#low = sum | 0;
    this.#high = (this.#high + high + (sum > 0xffffffff ? 1 : 0)) | 0;
    this.words[this.#at++] = this.#low;
    if (this.#wordsPerValue === 2) this.words[this.#at++] = this.#high;
  }

  /** Adds `count` differences: packed numbers of `width` bits, each plus `low` and `high`. */
  addPacked(bytes: Buffer, begin: number, width: number, count: number, low: number, high: number): void {
    const lowMask = width >= 32 ? -1 : (1 << width) - 1;
    const highMask = width === 64 ? -1 : width > 32 ? (1 << (width - 32)) - 1 : 0;
    for (let i = 0, bit = 8 * begin; i < count; i++, bit += width) {
      const packedLow = width === 0 ? 0 : wordAt(bytes, bit) & lowMask;
      const packedHigh = width > 32 ? wordAt(bytes, bit + 32) & highMask : 0;
      const sum = (packedLow >>> 0) + (low >>> 0);
      this.add(sum | 0, (packedHigh + high + (sum > 0xffffffff ? 1 : 0)) | 0);
    }
  }
}

/** Returns the 32 bits from a bit on; bits after the last byte are 0. */
function wordAt(bytes: Buffer, bit: number): number {
  // Without shifts, since the bit may exceed 32 bits.
  const byte = Math.floor(bit / 8);
  const shift = bit % 8;
  const word = bytes[byte]! | (bytes[byte + 1]! << 8) | (bytes[byte + 2]! << 16) | (bytes[byte + 3]! << 24);
  return shift === 0 ? word : (word >>> shift) | (bytes[byte + 4]! << (32 - shift));
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
      if (byte === undefined) throw truncated();
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
