import type { FileHandle } from 'node:fs/promises';

/** Memory that the pages of a row group share, and its limits. */
export interface PageMemory {
  /** Remaining bytes for texts of dictionaries. */
  textLeft: number;
  /** Bytes of a page's values that are stored at a time; a larger page is decompressed again for the rest. */
  readonly windowBytes: number;
  /**
   * Returns a function that reads bytes of the column from `begin` to `end`, valid until the next read of any column.
   * It reads ahead, and reads the first bytes at once, so that the reads of columns overlap.
   */
  reads(begin: number, end: number): (at: number, length: number) => Promise<Buffer>;
  /** Returns memory for decompressed bytes, valid until the next call. */
  output(length: number): Buffer;
}

/** Maximum entries of a column that are read together. */
export const STRIDE = 1024;

const TEXT_BYTES = 1 << 25;
/** For the values of all columns together, and minimum for those of one. */
const VALUE_BYTES = 1 << 26;
const MIN_WINDOW_BYTES = 1 << 18;
/** Read ahead for all columns together, and maximum for one. */
const AHEAD_BYTES = 1 << 23;
const MAX_AHEAD_BYTES = 1 << 18;

/** Creates the memory of a row group of which so many leaves are read. */
export function pageMemory(file: FileHandle, fileBytes: number, numLeaves: number): PageMemory {
  let scratch = Buffer.alloc(0);
  let output = Buffer.alloc(0);
  const aheadBytes = Math.min(MAX_AHEAD_BYTES, Math.floor(AHEAD_BYTES / numLeaves));
  const readInto = async (bytes: Buffer, at: number, length: number): Promise<Buffer> => {
    const { bytesRead } = await file.read(bytes, 0, length, at);
    if (bytesRead < length) throw new Error('it is truncated');
    return bytes.subarray(0, length);
  };
  return {
    textLeft: TEXT_BYTES,
    windowBytes: Math.max(MIN_WINDOW_BYTES, Math.floor(VALUE_BYTES / numLeaves)),
    reads(begin, end) {
      const last = Math.min(end, fileBytes);
      // Offsets of a damaged file may be anything.
      const memory = Buffer.allocUnsafeSlow(begin >= 0 && begin < last ? Math.min(aheadBytes, last - begin) : 0);
      let first: Promise<Buffer> | undefined = memory.length > 0 ? readInto(memory, begin, memory.length) : undefined;
      // Avoids an unhandled rejection; the awaiting caller receives the error.
      first?.catch(() => undefined);
      /** The bytes of the file in it, and their offset. */
      let ahead: Buffer = memory.subarray(0, 0);
      let aheadAt = begin;
      return async (at, length) => {
        if (!(at >= 0 && length >= 0 && at + length <= fileBytes)) throw new Error('it is truncated');
        if (first !== undefined) {
          ahead = await first;
          first = undefined;
        }
        if (at >= aheadAt && at + length <= aheadAt + ahead.length)
          return ahead.subarray(at - aheadAt, at - aheadAt + length);
        if (length > memory.length) {
          if (scratch.length < length) scratch = Buffer.allocUnsafeSlow(length);
          return readInto(scratch, at, length);
        }
        ahead = await readInto(memory, at, Math.max(length, Math.min(memory.length, last - at)));
        aheadAt = at;
        return ahead.subarray(0, length);
      };
    },
    output(length) {
      if (output.length < length) output = Buffer.allocUnsafeSlow(length);
      return output.subarray(0, length);
    },
  };
}
