import { fstatSync } from 'node:fs';
import { readAt } from '../../../io/read-sync.js';

/** For texts of dictionaries. */
const TEXT_BYTES = 1 << 25;
/** For the values of all columns together, and minimum for the values of one column. */
const VALUE_BYTES = 1 << 26;
const MIN_WINDOW_BYTES = 1 << 18;

/** Memory that the pages of a file share, and its limits. */
export class PageMemory {
  /** Bytes of a page's values that are stored at a time; a larger page is decompressed again for the rest. */
  readonly windowBytes: number;
  /** Maximum bytes for the texts of a dictionary. */
  readonly textBytes: number;
  readonly #file: number;
  readonly #fileBytes: number;
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
    this.textBytes = Math.floor(TEXT_BYTES / numLeaves);
    this.#file = file;
    this.#fileBytes = fstatSync(file).size;
  }

  /**
   * Reads bytes from an offset on, valid until the next call.
   * @throws Error if the file ends before
   */
  read(at: number, length: number): Buffer {
    if (!(at >= 0 && length >= 0 && at + length <= this.#fileBytes)) throw new Error('it is truncated');
    if (this.#input.length < length) this.#input = Buffer.allocUnsafeSlow(length);
    const bytes = this.#input.subarray(0, length);
    if (readAt(this.#file, bytes, at) < length) throw new Error('it is truncated');
    return bytes;
  }

  /** Returns memory for decompressed bytes, valid until the next call. */
  output(length: number): Buffer {
    if (this.#output.length < length) this.#output = Buffer.allocUnsafeSlow(length);
    return this.#output.subarray(0, length);
  }
}
