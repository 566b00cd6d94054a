import { fstatSync, readSync } from 'node:fs';

/** For texts of dictionaries. */
const TEXT_BYTES = 1 << 25;
/** For the values of all columns together, and minimum for those of one. */
const VALUE_BYTES = 1 << 26;
const MIN_WINDOW_BYTES = 1 << 18;
/** Read ahead for all columns together, and maximum for one. */
const AHEAD_BYTES = 1 << 23;
const MAX_AHEAD_BYTES = 1 << 18;

/** Reads bytes from an offset on; they are valid until the next read of any column. */
export type ReadBytes = (at: number, length: number) => Buffer;

/** Memory that the pages of a row group share, and its limits. */
export class PageMemory {
  /** Bytes of a page's values that are stored at a time; a larger page is decompressed again for the rest. */
  readonly windowBytes: number;
  readonly #file: number;
  readonly #fileBytes: number;
  readonly #aheadBytes: number;
  /** Remaining bytes for texts of dictionaries. */
  #textBytes = TEXT_BYTES;
  #input = Buffer.alloc(0);
  #output = Buffer.alloc(0);

  /**
   * @param file descriptor
   * @param numLeaves number of leaves that are read
   */
  constructor(
    file: number,
    numLeaves: number,
    windowBytes = Math.max(MIN_WINDOW_BYTES, Math.floor(VALUE_BYTES / numLeaves)),
  ) {
    this.windowBytes = windowBytes;
    this.#file = file;
    this.#fileBytes = fstatSync(file).size;
    this.#aheadBytes = Math.min(MAX_AHEAD_BYTES, Math.floor(AHEAD_BYTES / numLeaves));
  }

  /** Creates a function that reads the bytes of a column from `begin` to `end`, and reads ahead. */
  reads(begin: number, end: number): ReadBytes {
    const last = Math.min(end, this.#fileBytes);
    // Offsets of a damaged file may be anything.
    const memory = Buffer.allocUnsafeSlow(Math.max(0, Math.min(this.#aheadBytes, last - begin)));
    let [aheadAt, aheadEnd] = [0, 0];
    return (at, length) => {
      if (!(at >= 0 && length >= 0 && at + length <= this.#fileBytes)) throw new Error('it is truncated');
      if (length > memory.length) {
        if (this.#input.length < length) this.#input = Buffer.allocUnsafeSlow(length);
        return this.#read(this.#input, at, length);
      }
      if (at < aheadAt || at + length > aheadEnd) {
        aheadEnd = at + this.#read(memory, at, Math.max(length, Math.min(memory.length, last - at))).length;
        aheadAt = at;
      }
      return memory.subarray(at - aheadAt, at - aheadAt + length);
    };
  }

  /** Returns memory for decompressed bytes, valid until the next call. */
  output(length: number): Buffer {
    if (this.#output.length < length) this.#output = Buffer.allocUnsafeSlow(length);
    return this.#output.subarray(0, length);
  }

  /** Reserves bytes for texts of dictionaries; returns false if too few remain. */
  reserveTexts(bytes: number): boolean {
    if (bytes > this.#textBytes) return false;
    this.#textBytes -= bytes;
    return true;
  }

  #read(bytes: Buffer, at: number, length: number): Buffer {
    for (let done = 0; done < length;) {
      const count = readSync(this.#file, bytes, done, length - done, at + done);
      if (count === 0) throw new Error('it is truncated');
      done += count;
    }
    return bytes.subarray(0, length);
  }
}
