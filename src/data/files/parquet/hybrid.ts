// Small whole numbers as runs of one value and runs of packed bits
// (https://github.com/apache/parquet-format/blob/master/Encodings.md, RLE and bit-packing hybrid).

/** Reads numbers in their order, as many at a time as are wanted. */
export interface HybridReader {
  read(into: Int32Array, count: number): void;
  /** Whether the next `count` are known to be all this one; they are passed then. */
  isRun(number: number, count: number): boolean;
}

/** Maximum number of bits of a value. */
const MAX_WIDTH = 32;

/**
 * Opens a reader of the numbers of `width` bits that are stored from `begin` to `end`.
 * @param highest the largest of them; a larger one is an error
 * @throws Error for a width of more than 32 bits
 */
export function hybridReader(
  bytes: Buffer,
  begin: number,
  end: number,
  width: number,
  highest = Infinity,
): HybridReader {
  if (width > MAX_WIDTH) throw new Error(`its indices have ${width} bits, more than the maximum of ${MAX_WIDTH}`);
  const mask = width === 32 ? -1 : (1 << width) - 1;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = begin;
  /** Left of a run of one value. */
  let repeats = 0;
  let value = 0;
  /** Left of a run of packed numbers, and the bit at which the next of them begins. */
  let packed = 0;
  let bit = 0;

  const startRun = (): void => {
    let header = 0;
    for (let shift = 0, more = true; more; shift += 7) {
      if (at >= end || shift > 28) throw new Error('its levels or indices are truncated');
      const byte = bytes[at++]!;
      if (shift === 28 && byte > 15) throw new Error('a run length of its levels or indices exceeds 32 bits');
      header |= (byte & 127) << shift;
      more = byte > 127;
    }
    if ((header & 1) === 1) {
      packed = (header >>> 1) * 8;
      bit = 0;
      return;
    }
    repeats = header >>> 1;
    value = 0;
    for (let shift = 0; shift < width; shift += 8) value |= bytes[at++]! << shift;
    if (at > end) throw new Error('its levels or indices are truncated');
    if (value > highest) throw aboveHighest(value);
  };
  const aboveHighest = (level: number): Error =>
    new Error(`a level is ${level}, but the maximum of this column is ${highest}`);

  const readPacked = (into: Int32Array, from: number, count: number): void => {
    // As long as four bytes are there.
    const numWhole =
      width > 25 ? 0 : Math.max(0, Math.min(count, Math.floor((8 * (bytes.length - at - 4) - bit) / width)));
    for (let i = from; i < from + numWhole; i++, bit += width)
      into[i] = (view.getInt32(at + (bit >>> 3), true) >>> (bit & 7)) & mask;
    for (let i = from + numWhole; i < from + count; i++, bit += width) {
      const byte = at + (bit >>> 3);
      const shift = bit & 7;
      const word = bytes[byte]! | (bytes[byte + 1]! << 8) | (bytes[byte + 2]! << 16) | (bytes[byte + 3]! << 24);
      into[i] = (shift + width > 32 ? (word >>> shift) | (bytes[byte + 4]! << (32 - shift)) : word >>> shift) & mask;
    }
    packed -= count;
    // The last group of eight may be cut short, but not before its last number.
    if (at + ((bit + 7) >>> 3) > end) throw new Error('its levels or indices are truncated');
    if (packed === 0) at += bit >>> 3;
    if (highest < mask) for (let i = from; i < from + count; i++) if (into[i]! > highest) throw aboveHighest(into[i]!);
  };

  return {
    isRun(number, count) {
      if (width === 0) return number === 0;
      if (repeats === 0 && packed === 0 && at < end) startRun();
      if (repeats < count || value !== number) return false;
      repeats -= count;
      return true;
    },
    read(into, count) {
      if (width === 0) {
        into.fill(0, 0, count);
        return;
      }
      for (let done = 0; done < count;) {
        if (repeats > 0) {
          const taken = Math.min(repeats, count - done);
          into.fill(value, done, done + taken);
          repeats -= taken;
          done += taken;
        } else if (packed > 0) {
          const taken = Math.min(packed, count - done);
          readPacked(into, done, taken);
          done += taken;
        } else startRun();
      }
    },
  };
}
