import { closeSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { ByteHash } from '../../io/byte-hash.js';

/** Some of a file's bytes. */
export interface ByteChunk {
  /** Valid until the next chunk is asked for, or as many later as were asked to be kept: the memory is used again. */
  readonly bytes: Buffer;
  /** Share of the file that was read so far. */
  readonly progress: number;
}

/** The end of a line that is continued in the next chunk is copied before it, where it fits here. */
export const CARRY_ROOM = 1 << 16;

/** Bytes as chunks. */
export type ByteChunks = AsyncGenerator<ByteChunk>;

/** How bytes are cut into chunks. */
export interface ChunkOptions {
  readonly chunkBytes: number;
  /** Bytes before each chunk that may be written over; a file of one chunk has none. */
  readonly room: number;
  /** Chunks that stay valid when the next one is asked for; their memory can then be shared with other threads. */
  readonly numKept: number;
}

/**
 * Chunks that are read before they are asked for: each read waits for its turn among others, and one at a time has its
 * reader wait.
 */
const AHEAD = 3;

/**
 * The bytes of a file as they are. While a chunk is looked at, the next ones are read.
 * @param hash is given them as they are read
 */
export async function* fileChunks(
  path: string,
  { chunkBytes: maxBytes, room: maxRoom, numKept }: ChunkOptions,
  hash?: ByteHash,
): ByteChunks {
  const file = await open(path, 'r');
  const reads: Promise<Buffer>[] = [];
  try {
    const { size } = await file.stat();
    // A small file is one chunk, with memory of its size; devices have no size.
    const isOne = size > 0 && size < maxBytes;
    const [chunkBytes, room] = isOne ? [size + 1, 0] : [maxBytes, maxRoom];
    const buffers = buffersOf(numKept, isOne ? 1 : AHEAD, room + chunkBytes);
    /** Reads a chunk, which only the end of the file cuts short. */
    const read = async (i: number): Promise<Buffer> => {
      const buffer = buffers[i % buffers.length]!;
      let length = 0;
      for (let more = 1; more > 0 && length < chunkBytes; length += more)
        more = (await file.read(buffer, room + length, chunkBytes - length, i * chunkBytes + length)).bytesRead;
      return buffer.subarray(room, room + length);
    };
    for (let i = 0, begun = 0; ; i++) {
      for (; begun === i || (begun < i + AHEAD && begun * chunkBytes < size); begun++) {
        const next = read(begun);
        // What fails is thrown where it is awaited.
        next.catch(() => undefined);
        reads.push(next);
      }
      const bytes = await reads.shift()!;
      if (bytes.length === 0) return;
      hash?.update(bytes);
      yield { bytes, progress: Math.min(1, (i * chunkBytes + bytes.length) / size) };
      // What is added to a file while it is read does not belong to it any more.
      if (bytes.length < chunkBytes) return;
    }
  } finally {
    await Promise.allSettled(reads);
    await file.close();
  }
}

/**
 * The bytes of a stream, copied.
 * @param progress the share of it that was read so far
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

/** Memory for the chunks that are kept when the next is asked for, and for those that are filled then. */
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
  const file = openSync(path, 'r');
  try {
    let length = 0;
    for (let more = 1; more > 0 && length < HEAD_BYTES; length += more)
      more = readSync(file, headMemory, length, HEAD_BYTES - length, length);
    return { bytes: Buffer.from(headMemory.subarray(0, length)), isWhole: length < HEAD_BYTES };
  } finally {
    closeSync(file);
  }
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

/** `carry` and a chunk behind it: in the memory before the chunk, where there is room. */
export function joined(carry: Buffer, data: Buffer): Buffer {
  if (carry.length === 0) return data;
  if (carry.length > CARRY_ROOM) return Buffer.concat([carry, data]);
  const whole = Buffer.from(data.buffer, data.byteOffset - carry.length, carry.length + data.length);
  whole.set(carry);
  return whole;
}
