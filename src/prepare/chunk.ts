import { userError } from '../core/errors.js';
import { unreadable } from '../data/readers/unreadable.js';
import { readAt, withFile } from '../io/read-sync.js';

/** Part of a raw file: the lines whose first byte is in it. */
export interface Chunk {
  readonly path: string;
  readonly index: number;
  readonly begin: number;
  readonly end: number;
}

/** Bytes per chunk, which determine the memory per thread but not the results. */
export const CHUNK_BYTES = 1 << 24;
/** Maximum search distance for a line end past a chunk; the longest lines of Ali-CCP have about 100 kB. */
const MAX_LINE_BYTES = 1 << 22;
const LINE_END = 10;

/** Splits a file of `bytes` bytes into chunks. */
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
  /** The bytes read, with a line feed after the last line. */
  readonly bytes: Buffer;
  /** Byte range of the lines. */
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads the lines of a chunk.
 * @param allocate returns memory of at least this size
 * @throws UserError (data) for a file that cannot be read, or a line that is too long
 */
export function readLines({ path, begin, end }: Chunk, allocate: (bytes: number) => Buffer): Lines {
  // Starts one byte early: a line feed there means that a line begins with the chunk.
  const first = Math.max(0, begin - 1);
  const most = end - first + MAX_LINE_BYTES;
  const memory = allocate(most + 1);
  let length = readFile(path, memory.subarray(0, most), first);
  if (length < most && memory[length - 1] !== LINE_END) memory[length++] = LINE_END;
  const bytes = memory.subarray(0, length);
  const from = begin === 0 ? 0 : bytes.indexOf(LINE_END) + 1;
  if (from >= end - first) return { bytes, begin: from, end: from };
  const last = bytes.indexOf(LINE_END, end - first - 1);
  if ((from === 0 && begin > 0) || last < 0)
    throw userError('data', {
      where: path,
      message: `has a line that exceeds ${MAX_LINE_BYTES} bytes`,
      fix: 'use the unpacked raw files of Ali-CCP',
    });
  return { bytes: bytes.subarray(0, last + 1), begin: from, end: last + 1 };
}

/** Reads bytes from a position, up to the end of the file. Returns their number. @throws UserError (data) */
function readFile(path: string, memory: Buffer, position: number): number {
  try {
    return withFile(path, (file) => readAt(file, memory, position));
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** Returns the line number of a chunk's first line, from 1. */
export function firstLine({ path, begin }: Chunk): number {
  if (begin === 0) return 1;
  // The line feed before the chunk or in it ends the previous line.
  let lines = 2;
  const memory = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  for (const { begin: from, end } of splitChunks(path, begin - 1)) {
    const bytes = memory.subarray(0, readFile(path, memory.subarray(0, end - from), from));
    for (let offset = bytes.indexOf(LINE_END); offset >= 0; offset = bytes.indexOf(LINE_END, offset + 1)) lines++;
  }
  return lines;
}
