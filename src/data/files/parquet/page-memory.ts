import type { FileHandle } from 'node:fs/promises';

/** What the pages of a row group may take of memory, and what they share. */
export interface PageMemory {
  /** Bytes of text that all dictionaries may still keep. */
  textLeft: number;
  /** Bytes of a page's values that are kept at a time; a larger page is decompressed again for the rest of it. */
  readonly windowBytes: number;
  /** Reads bytes that are valid until the next are read here. */
  read(at: number, length: number): Promise<Buffer>;
  /** So many bytes to decompress to, until the next time. */
  output(length: number): Buffer;
}

/** Entries of a column that are looked at together. */
export const STRIDE = 256;

const TEXT_BYTES = 1 << 25;
/** For the values of all columns together, and for those of one at the least. */
const VALUE_BYTES = 1 << 26;
const MIN_WINDOW_BYTES = 1 << 18;

/** Memory for a row group of which so many leaves are read. */
export function pageMemory(file: FileHandle, fileBytes: number, numLeaves: number): PageMemory {
  let scratch = Buffer.alloc(0);
  let output = Buffer.alloc(0);
  return {
    textLeft: TEXT_BYTES,
    windowBytes: Math.max(MIN_WINDOW_BYTES, Math.floor(VALUE_BYTES / numLeaves)),
    async read(at, length) {
      if (!(at >= 0 && length >= 0 && at + length <= fileBytes)) throw new Error('it ends too early');
      if (scratch.length < length) scratch = Buffer.allocUnsafeSlow(length);
      const { bytesRead } = await file.read(scratch, 0, length, at);
      if (bytesRead < length) throw new Error('it ends too early');
      return scratch.subarray(0, length);
    },
    output(length) {
      if (output.length < length) output = Buffer.allocUnsafeSlow(length);
      return output.subarray(0, length);
    },
  };
}
