import { closeSync, openSync, readSync } from 'node:fs';
import { systemCode, userError } from '../core/errors.js';

/** A part of a raw file: the lines whose first byte lies in it. */
export interface Chunk {
  readonly path: string;
  readonly index: number;
  readonly begin: number;
  readonly end: number;
}

/** Bytes of a chunk. The memory that a thread needs follows from it; results do not depend on it. */
export const CHUNK_BYTES = 1 << 24;
/** A line is looked for so far beyond the end of a chunk: the longest of Ali-CCP have some 100 kB. */
const MAX_LINE_BYTES = 1 << 22;
const LINE_END = 10;

/** The chunks of a file of so many bytes. */
export function splitChunks(path: string, bytes: number, chunkBytes = CHUNK_BYTES): Chunk[] {
  return Array.from({ length: Math.ceil(bytes / chunkBytes) }, (_, index) => ({
    path,
    index,
    begin: index * chunkBytes,
    end: Math.min(bytes, (index + 1) * chunkBytes),
  }));
}

/** Lines of a chunk. */
export interface Lines {
  /** What was read, a line feed behind the last line. */
  readonly bytes: Buffer;
  /** Where the lines of the chunk begin and end. */
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads the lines of a chunk.
 * @param memoryOf memory for so many bytes, or more
 * @throws UserError (data) for a file that cannot be read, or a line without an end
 */
export function readLines({ path, begin, end }: Chunk, memoryOf: (bytes: number) => Buffer): Lines {
  const memory = memoryOf(end - begin + 1 + MAX_LINE_BYTES + 1);
  // From the byte before: a line feed there says that a line begins with the chunk.
  const first = Math.max(0, begin - 1);
  let length: number;
  try {
    length = readBytes(path, memory, first, end - first + MAX_LINE_BYTES);
  } catch (error) {
    throw userError('data', { where: path, message: `cannot be read (${systemCode(error) ?? String(error)})` }, error);
  }
  const isWhole = length < end - first + MAX_LINE_BYTES;
  if (isWhole && memory[length - 1] !== LINE_END) memory[length++] = LINE_END;
  const bytes = memory.subarray(0, length);
  const from = begin === 0 ? 0 : bytes.indexOf(LINE_END) + 1;
  if (from === 0 && begin > 0) throw tooLong(path);
  if (from >= end - first) return { bytes, begin: from, end: from };
  const last = bytes.indexOf(LINE_END, end - first - 1);
  if (last < 0) throw tooLong(path);
  return { bytes: bytes.subarray(0, last + 1), begin: from, end: last + 1 };
}

function readBytes(path: string, memory: Buffer, position: number, count: number): number {
  const file = openSync(path, 'r');
  try {
    let length = 0;
    while (length < count) {
      const read = readSync(file, memory, length, count - length, position + length);
      if (read === 0) break;
      length += read;
    }
    return length;
  } finally {
    closeSync(file);
  }
}

function tooLong(path: string): Error {
  return userError('data', {
    where: path,
    message: `has a line of more than ${MAX_LINE_BYTES} bytes`,
    fix: 'expected the raw files of Ali-CCP, unpacked',
  });
}

/** The number of a chunk's first line in its file, from 1. */
export function firstLine({ path, begin }: Chunk): number {
  if (begin === 0) return 1;
  // The line feed at the byte before the chunk or behind it ends the line before.
  let lines = 2;
  const memory = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  for (const { begin: from, end } of splitChunks(path, begin - 1)) {
    const bytes = memory.subarray(0, readBytes(path, memory, from, end - from));
    for (let at = bytes.indexOf(LINE_END); at >= 0; at = bytes.indexOf(LINE_END, at + 1)) lines++;
  }
  return lines;
}
