import { stat } from 'node:fs/promises';
import type { ByteHash } from '../../io/byte-hash.js';
import { fileBytes } from '../../io/file-bytes.js';
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
  /** Number of writable bytes before each chunk. */
  readonly room: number;
  /** Number of chunks that stay valid when the next one is requested; threads can then share their memory. */
  readonly numKept: number;
}

/**
 * Reads a file as it is, and prefetches the next chunk.
 * @param start offset of the first byte
 * @param hash updated with these bytes
 */
export async function* fileChunks(
  path: string,
  { chunkBytes, room, numKept }: ChunkOptions,
  start: number,
  hash?: ByteHash,
): ByteChunks {
  const { size } = await stat(path);
  // A small file takes little memory.
  const buffers = buffersOf(numKept, 2, room + (size > 0 ? Math.min(chunkBytes, size) : chunkBytes));
  const free = buffers.map((buffer) => buffer.subarray(room));
  let end = start;
  for await (const bytes of fileBytes(path, free, start)) {
    hash?.update(bytes);
    end += bytes.length;
    yield { bytes, progress: Math.min(1, end / size) };
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

/** Prepends bytes to a chunk: in the memory before it, if they fit. */
export function joined(carry: Buffer, data: Buffer): Buffer {
  if (carry.length === 0) return data;
  if (carry.length > CARRY_ROOM) return Buffer.concat([carry, data]);
  const whole = Buffer.from(data.buffer, data.byteOffset - carry.length, carry.length + data.length);
  whole.set(carry);
  return whole;
}
