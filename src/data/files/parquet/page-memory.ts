import type { FileHandle } from 'node:fs/promises';

/** What the pages of a row group may take of memory, and what they share. */
export interface PageMemory {
  /** Bytes of text that all dictionaries may still keep. */
  textLeft: number;
  /** Bytes of a page's values that are kept at a time; a larger page is decompressed again for the rest of it. */
  readonly windowBytes: number;
  /**
   * A way to read bytes of a column that ends at `end`. They are valid until the next are read in any way; a little more is read than is asked
   * for, since what follows is mostly wanted next.
   */
  reads(end: number): (at: number, length: number) => Promise<Buffer>;
  /** So many bytes to decompress to, until the next time. */
  output(length: number): Buffer;
}

/** Entries of a column that are looked at together. */
export const STRIDE = 256;

const TEXT_BYTES = 1 << 25;
/** For the values of all columns together, and for those of one at the least. */
const VALUE_BYTES = 1 << 26;
const MIN_WINDOW_BYTES = 1 << 18;
/** That are read ahead of all columns together, and of one at the most. */
const AHEAD_BYTES = 1 << 23;
const MAX_AHEAD_BYTES = 1 << 18;

/** Memory for a row group of which so many leaves are read. */
export function pageMemory(file: FileHandle, fileBytes: number, numLeaves: number): PageMemory {
  let scratch = Buffer.alloc(0);
  let output = Buffer.alloc(0);
  const aheadBytes = Math.min(MAX_AHEAD_BYTES, Math.floor(AHEAD_BYTES / numLeaves));
  const readInto = async (bytes: Buffer, at: number, length: number): Promise<Buffer> => {
    const { bytesRead } = await file.read(bytes, 0, length, at);
    if (bytesRead < length) throw new Error('it ends too early');
    return bytes.subarray(0, length);
  };
  return {
    textLeft: TEXT_BYTES,
    windowBytes: Math.max(MIN_WINDOW_BYTES, Math.floor(VALUE_BYTES / numLeaves)),
    reads(end) {
      let memory: Buffer | undefined;
      /** What of the file lies in it. */
      let ahead: Buffer = Buffer.alloc(0);
      let begin = 0;
      return async (at, length) => {
        if (!(at >= 0 && length >= 0 && at + length <= fileBytes)) throw new Error('it ends too early');
        if (at >= begin && at + length <= begin + ahead.length) return ahead.subarray(at - begin, at - begin + length);
        if (length > aheadBytes) {
          if (scratch.length < length) scratch = Buffer.allocUnsafeSlow(length);
          return readInto(scratch, at, length);
        }
        const more = Math.max(length, Math.min(aheadBytes, Math.min(end, fileBytes) - at));
        if (memory === undefined || memory.length < more) memory = Buffer.allocUnsafeSlow(more);
        ahead = await readInto(memory, at, more);
        begin = at;
        return ahead.subarray(0, length);
      };
    },
    output(length) {
      if (output.length < length) output = Buffer.allocUnsafeSlow(length);
      return output.subarray(0, length);
    },
  };
}
