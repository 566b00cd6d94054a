import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import type { ByteHash } from '../../byte-hash.js';

/** Some of a file's bytes. */
export interface ByteChunk {
  /** Valid until the next chunk is asked for, or as many later as were asked to be kept: the memory is used again. */
  readonly bytes: Buffer;
  /** Share of the file that was read so far. */
  readonly progress: number;
}

/** A file as chunks; `room` bytes before each may be written over. */
export type ByteChunks = AsyncGenerator<ByteChunk>;

/**
 * The bytes of a file, decompressed where it `isGzip`. While a chunk is looked at, the next one is read.
 * @param numKept chunks that stay valid when the next one is asked for; their memory can then be shared with other threads
 * @param hash is given the bytes of the file itself, as they are read
 */
export function readChunks(path: string, isGzip: boolean, chunkBytes: number, room: number, numKept = 0, hash?: ByteHash): ByteChunks {
  const buffers = buffersOf(numKept, room + chunkBytes);
  return isGzip ? gzipChunks(path, chunkBytes, room, buffers, hash) : fileChunks(path, chunkBytes, room, buffers, hash);
}

async function* fileChunks(path: string, chunkBytes: number, room: number, buffers: readonly Buffer[], hash: ByteHash | undefined): ByteChunks {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    let at = 0;
    const read = async (i: number): Promise<Buffer> => {
      const buffer = buffers[i % buffers.length]!;
      const { bytesRead } = await file.read(buffer, room, chunkBytes, at);
      at += bytesRead;
      return buffer.subarray(room, room + bytesRead);
    };
    let next = read(0);
    for (let i = 1; ; i++) {
      const bytes = await next;
      if (bytes.length === 0) return;
      const progress = Math.min(1, at / size);
      next = read(i);
      // What fails is thrown where it is awaited.
      next.catch(() => undefined);
      hash?.update(bytes);
      yield { bytes, progress };
    }
  } finally {
    await file.close();
  }
}

async function* gzipChunks(path: string, chunkBytes: number, room: number, buffers: readonly Buffer[], hash: ByteHash | undefined): ByteChunks {
  const { size } = await stat(path);
  const file = createReadStream(path, { highWaterMark: 1 << 18 });
  const unzip = createGunzip({ chunkSize: Math.max(64, chunkBytes) });
  file.on('error', (error) => unzip.destroy(error));
  if (hash !== undefined) file.on('data', (bytes) => hash.update(bytes as Buffer));
  file.pipe(unzip);
  let i = 0;
  try {
    for await (const chunk of unzip as AsyncIterable<Buffer>) {
      for (let begin = 0; begin < chunk.length; begin += chunkBytes) {
        const buffer = buffers[i++ % buffers.length]!;
        const length = chunk.copy(buffer, room, begin, begin + chunkBytes);
        yield { bytes: buffer.subarray(room, room + length), progress: Math.min(1, file.bytesRead / size) };
      }
    }
  } finally {
    file.destroy();
    unzip.destroy();
  }
}

/** Memory for the chunks that are kept, for the one that is looked at, and for the next. */
function buffersOf(numKept: number, bytes: number): readonly Buffer[] {
  return Array.from({ length: numKept + 2 }, () => (numKept > 0 ? Buffer.from(new SharedArrayBuffer(bytes)) : Buffer.allocUnsafeSlow(bytes)));
}

/** The first bytes of a file, as many as there are. */
export async function firstBytes(path: string, count: number): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(count), 0, count, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
