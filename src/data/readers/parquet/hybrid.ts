// Small integers as runs of one value and runs of packed bits
// (https://github.com/apache/parquet-format/blob/master/Encodings.md, RLE and bit-packing hybrid).

/** Maximum number of bits of a value. */
const MAX_WIDTH = 32;

/** Reads integers in their order, as many at a time as the caller requests. */
export class HybridReader {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #width: number;
  readonly #highest: number;
  readonly #mask: number;
  #at = 0;
  /** Remaining values of a run of `#value`. */
  #repeats = 0;
  #value = 0;
  /** Remaining values of a run of packed bits, its first byte, and the bit after it at which the next value begins. */
  #packed = 0;
  #packedAt = 0;
  #bit = 0;

  /**
   * @param width bits of an integer
   * @param highest the largest valid integer
   * @throws Error for a width of more than 32 bits
   */
  constructor(bytes: Buffer, width: number, highest = Infinity) {
    if (width > MAX_WIDTH) throw new Error(`its indices have ${width} bits, more than the maximum of ${MAX_WIDTH}`);
    this.#bytes = bytes;
    // Four bytes can be read at once if there is any memory after the last byte.
    this.#view = new DataView(bytes.buffer, bytes.byteOffset);
    this.#width = width;
    this.#highest = highest;
    this.#mask = width === 32 ? -1 : (1 << width) - 1;
  }

  /** Reads all bytes as packed bits, without runs. */
  packed(): this {
    this.#startPacked(this.#bytes.length);
    return this;
  }

  /** Skips the next `count` integers and returns true if they are known to be all `number`. */
  skipRun(number: number, count: number): boolean {
    if (this.#width === 0) return number === 0;
    if (this.#repeats === 0 && this.#packed === 0 && this.#at < this.#bytes.length) this.#startRun();
    if (this.#repeats < count || this.#value !== number) return false;
    this.#repeats -= count;
    return true;
  }

  /**
   * Reads the next `count` integers.
   * @throws Error if there are fewer
   */
  read(into: Int32Array, count: number): void {
    if (this.readUpTo(into, count) < count) throw new Error('its levels or indices are truncated');
  }

  /** Reads up to `count` integers; returns their number, which is lower only at the end. */
  readUpTo(into: Int32Array, count: number): number {
    if (this.#width === 0) {
      into.fill(0, 0, count);
      return count;
    }
    let done = 0;
    while (done < count) {
      if (this.#repeats > 0) {
        const end = done + Math.min(this.#repeats, count - done);
        this.#repeats -= end - done;
        // A call of `fill` costs more than a short loop.
        for (const value = this.#value; done < end; done++) into[done] = value;
      } else if (this.#packed > 0) {
        const end = done + Math.min(this.#packed, count - done);
        this.#readPacked(into, done, end);
        done = end;
      } else if (this.#at < this.#bytes.length) this.#startRun();
      else break;
    }
    return done;
  }

  #startRun(): void {
    let header = 0;
    for (let shift = 0, more = true; more; shift += 7) {
      const byte = this.#bytes[this.#at++] ?? 255;
      if (shift === 28 && byte > 15) throw new Error('a run length of its levels or indices is damaged');
      header |= (byte & 127) << shift;
      more = byte > 127;
    }
    const left = this.#bytes.length - this.#at;
    if ((header & 1) === 1) {
      // The last group of eight may be truncated after its last value.
      this.#startPacked(Math.min((header >>> 1) * this.#width, left));
      return;
    }
    this.#value = 0;
    for (let shift = 0; shift < this.#width; shift += 8) this.#value |= this.#bytes[this.#at++]! << shift;
    if (this.#at > this.#bytes.length) return;
    this.#repeats = header >>> 1;
    this.#checkHighest(this.#value);
  }

  #startPacked(numBytes: number): void {
    this.#packed = Math.floor((8 * numBytes) / this.#width);
    this.#packedAt = this.#at;
    this.#bit = 0;
    this.#at += numBytes;
  }

  #readPacked(into: Int32Array, from: number, to: number): void {
    const view = this.#view;
    const at = this.#packedAt;
    const width = this.#width;
    const mask = this.#mask;
    let bit = this.#bit;
    // Values that four available bytes contain; one of more than 25 bits may begin in one byte and end in a fifth.
    const numWhole = width > 25 ? 0 : Math.max(0, Math.floor((8 * (view.byteLength - at - 4) - bit) / width));
    const wholeEnd = Math.min(to, from + numWhole);
    let i = from;
    for (; i < wholeEnd; i++, bit += width) {
      const numEights = (bit & 7) === 0 ? (wholeEnd - i) >>> 3 : 0;
      if (numEights === 0) into[i] = (view.getInt32(at + (bit >>> 3), true) >>> (bit & 7)) & mask;
      else {
        unpackEights(view, at + (bit >>> 3), width, mask, into, i, numEights);
        i += 8 * numEights - 1;
        bit += (8 * numEights - 1) * width;
      }
    }
    for (; i < to; i++, bit += width) into[i] = wordAt(this.#bytes, at, bit) & mask;
    this.#packed -= to - from;
    this.#bit = bit;
    if (this.#highest < mask) for (i = from; i < to; i++) this.#checkHighest(into[i]!);
  }

  #checkHighest(level: number): void {
    if (level > this.#highest)
      throw new Error(`a level is ${level}, but the maximum of this column is ${this.#highest}`);
  }
}

/** Unpacks values that begin with a byte; eight of them end with a byte. Several times as fast as one at a time. */
function unpackEights(
  view: DataView,
  begin: number,
  width: number,
  mask: number,
  into: Int32Array,
  first: number,
  numEights: number,
): void {
  const [byte1, byte2, byte3, byte4] = [width >>> 3, (2 * width) >>> 3, (3 * width) >>> 3, (4 * width) >>> 3];
  const [byte5, byte6, byte7] = [(5 * width) >>> 3, (6 * width) >>> 3, (7 * width) >>> 3];
  const [bit1, bit2, bit3, bit4] = [width & 7, (2 * width) & 7, (3 * width) & 7, (4 * width) & 7];
  const [bit5, bit6, bit7] = [(5 * width) & 7, (6 * width) & 7, (7 * width) & 7];
  const end = first + 8 * numEights;
  for (let i = first, at = begin; i < end; i += 8, at += width) {
    into[i] = view.getInt32(at, true) & mask;
    into[i + 1] = (view.getInt32(at + byte1, true) >>> bit1) & mask;
    into[i + 2] = (view.getInt32(at + byte2, true) >>> bit2) & mask;
    into[i + 3] = (view.getInt32(at + byte3, true) >>> bit3) & mask;
    into[i + 4] = (view.getInt32(at + byte4, true) >>> bit4) & mask;
    into[i + 5] = (view.getInt32(at + byte5, true) >>> bit5) & mask;
    into[i + 6] = (view.getInt32(at + byte6, true) >>> bit6) & mask;
    into[i + 7] = (view.getInt32(at + byte7, true) >>> bit7) & mask;
  }
}

/** Returns 32 bits from a bit after a byte on; bits after the last byte are 0. */
export function wordAt(bytes: Buffer, begin: number, bit: number): number {
  const byte = begin + (bit >>> 3);
  const shift = bit & 7;
  const word = bytes[byte]! | (bytes[byte + 1]! << 8) | (bytes[byte + 2]! << 16) | (bytes[byte + 3]! << 24);
  return shift === 0 ? word : (word >>> shift) | (bytes[byte + 4]! << (32 - shift));
}
