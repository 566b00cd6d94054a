import type { FileHandle } from 'node:fs/promises';

/** What the pages of a row group may take of memory, and what they share. */
export interface PageMemory {
  /** Bytes of text that all dictionaries may still keep. */
  textLeft: number;
  /** Bytes of a page's values that are kept at a time; a larger page is decompressed again for the rest of it. */
  readonly windowBytes: number;
  /**
   * A way to read bytes of a column that lies from `begin` to `end`. They are valid until the next are read in any way;
   * a little more is read than
   * is asked for, since what follows is mostly wanted next, and the first before it is asked for, beside those of other
   * columns.
   */
  reads(begin: number, end: number): (at: number, length: number) => Promise<Buffer>;
  /** So many bytes to decompress to, until the next time. */
  output(length: number): Buffer;
}

/** Entries of a column that are looked at together. */
export const STRIDE = 1024;

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
      // What fails is thrown where it is awaited.
      first?.catch(() => undefined);
      /** What of the file lies in it, and from where. */
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
