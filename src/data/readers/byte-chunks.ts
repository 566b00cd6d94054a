import { open } from 'node:fs/promises';
import type { ByteHash } from '../../io/byte-hash.js';
import { readAt, withFile } from '../../io/read-sync.js';

/** Bytes in the order of a file. */
export type ByteStream = AsyncIterable<Buffer>;

/** Part of a file. */
export interface ByteChunk {
  /** Valid until the next chunk is requested, or `numKept` chunks longer; the memory is reused. */
  readonly bytes: Buffer;
  /** Share of the file that was read so far. */
  readonly progress: number;
}

/** Bytes of an unfinished line that fit before the next chunk; longer ones are copied with it. */
export const CARRY_ROOM = 1 << 16;

export type ByteChunks = AsyncGenerator<ByteChunk>;

export interface ChunkOptions {
  readonly chunkBytes: number;
  /** Number of writable bytes before each chunk; a file of one chunk has none. */
  readonly room: number;
  /** Number of chunks that stay valid when the next one is requested; threads can then share their memory. */
  readonly numKept: number;
}

/** Number of reads in flight. */
const AHEAD = 3;

/**
 * Reads a file as it is, and prefetches chunks.
 * @param start offset of the first byte
 * @param hash updated with these bytes
 */
export async function* fileChunks(
  path: string,
  { chunkBytes: maxBytes, room: maxRoom, numKept }: ChunkOptions,
  start: number,
  hash?: ByteHash,
): ByteChunks {
  const file = await open(path, 'r');
  const reads: Promise<Buffer>[] = [];
  try {
    const { size } = await file.stat();
    // A small file is one chunk, with memory of its size.
    const isOne = size > 0 && size < maxBytes;
    const [chunkBytes, room] = isOne ? [size + 1, 0] : [maxBytes, maxRoom];
    const buffers = buffersOf(numKept, isOne ? 1 : AHEAD, room + chunkBytes);
    /** Reads a chunk, which is shorter only at the end of the file. */
    const read = async (i: number): Promise<Buffer> => {
      const buffer = buffers[i % buffers.length]!;
      let length = 0;
      for (let more = 1; more > 0 && length < chunkBytes; length += more)
        more = (await file.read(buffer, room + length, chunkBytes - length, start + i * chunkBytes + length)).bytesRead;
      return buffer.subarray(room, room + length);
    };
    for (let i = 0, begun = 0; ; i++) {
      for (; begun === i || (begun < i + AHEAD && start + begun * chunkBytes < size); begun++) {
        const next = read(begun);
        // Avoids an unhandled rejection; the awaiting caller receives the error.
        next.catch(() => undefined);
        reads.push(next);
      }
      const bytes = await reads.shift()!;
      if (bytes.length === 0) return;
      hash?.update(bytes);
      yield { bytes, progress: Math.min(1, (start + i * chunkBytes + bytes.length) / size) };
      // Ignores bytes that are appended meanwhile.
      if (isOne || bytes.length < chunkBytes) return;
    }
  } finally {
    await Promise.allSettled(reads);
    await file.close();
  }
}

/**
 * Copies the bytes of a stream into chunks.
 * @param progress returns the share that was read
 */
export async function* streamChunks(
  stream: AsyncIterable<Buffer>,
  { chunkBytes, room, numKept }: ChunkOptions,
  progress: () => number,
): ByteChunks {
  const buffers = buffersOf(numKept, 1, room + chunkBytes);
  let i = 0;
  for await (const bytes of stream) {
    for (let begin = 0; begin < bytes.length; begin += chunkBytes) {
      const buffer = buffers[i++ % buffers.length]!;
      const length = bytes.copy(buffer, room, begin, begin + chunkBytes);
      yield { bytes: buffer.subarray(room, room + length), progress: progress() };
    }
  }
}

/** Allocates memory for the chunks that stay valid and those that are filled. */
function buffersOf(numKept: number, numFilled: number, bytes: number): readonly Buffer[] {
  return Array.from({ length: numKept + numFilled }, () =>
    numKept > 0 ? Buffer.from(new SharedArrayBuffer(bytes)) : Buffer.allocUnsafeSlow(bytes),
  );
}

/** The first bytes of a file. */
export interface FileHead {
  readonly bytes: Buffer;
  /** Whether the file has no other bytes. */
  readonly isWhole: boolean;
}

const HEAD_BYTES = 1 << 16;
/** Memory that is reused by each read of a head. */
const headMemory = Buffer.allocUnsafeSlow(HEAD_BYTES);

/** Reads the first bytes of a file. The read is synchronous: waiting for few bytes takes longer than reading them. */
export function readHead(path: string): FileHead {
  const length = withFile(path, (file) => readAt(file, headMemory, 0));
  return { bytes: Buffer.from(headMemory.subarray(0, length)), isWhole: length < HEAD_BYTES };
}

/** Yields the first bytes of a file, then the others as they are requested. */
export async function* headChunks(path: string, head: FileHead, chunkBytes: number): ByteChunks {
  yield { bytes: head.bytes, progress: 0 };
  if (head.isWhole) return;
  const file = await open(path, 'r');
  try {
    for (let begin = head.bytes.length, length = 1; length > 0; begin += length) {
      const bytes = Buffer.allocUnsafeSlow(chunkBytes);
      length = (await file.read(bytes, 0, chunkBytes, begin)).bytesRead;
      if (length > 0) yield { bytes: bytes.subarray(0, length), progress: 0 };
    }
  } finally {
    await file.close();
  }
}

/** Prepends bytes to a chunk: in the memory before it, if they fit. */
export function joined(carry: Buffer, data: Buffer): Buffer {
  if (carry.length === 0) return data;
  if (carry.length > CARRY_ROOM) return Buffer.concat([carry, data]);
  const whole = Buffer.from(data.buffer, data.byteOffset - carry.length, carry.length + data.length);
  whole.set(carry);
  return whole;
}
