import { open } from 'node:fs/promises';
import xxhash from 'xxhash-wasm';
import { z } from 'zod';

/** How many bytes there are, and a hash of all of them: equal where the bytes are. The hash is named, since there may be others one day. */
export const contentSchema = z.strictObject({ bytes: z.int().min(0), hash: z.string().regex(/^(xxh64:[0-9a-f]{16}|sha256:[0-9a-f]{64})$/) });
export type Content = z.output<typeof contentSchema>;

/** Hashes bytes as they pass, at some 10 GB/s: it tells damage and change, not forgery. */
export interface ByteHash {
  update(bytes: Uint8Array): void;
  /** What passed so far. */
  content(): Content;
}

/** Bytes that are hashed while as many are read. */
const CHUNK_BYTES = 1 << 20;

/** XXH64 with seed 0 (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md). */
export async function createByteHash(): Promise<ByteHash> {
  const hash = (await xxhash()).create64();
  let bytes = 0;
  return {
    update(chunk) {
      hash.update(chunk);
      bytes += chunk.byteLength;
    },
    content: () => ({ bytes, hash: `xxh64:${hash.digest().toString(16).padStart(16, '0')}` }),
  };
}

/**
 * Reads a file and hashes it.
 * @param onBytes told of the bytes of every read; what it throws ends the reading
 */
export async function hashFile(path: string, onBytes?: (bytes: number) => void): Promise<Content> {
  const hash = await createByteHash();
  const file = await open(path, 'r');
  try {
    const buffers = [Buffer.allocUnsafeSlow(CHUNK_BYTES), Buffer.allocUnsafeSlow(CHUNK_BYTES)];
    const read = (i: number): Promise<{ readonly bytesRead: number }> => file.read(buffers[i % 2]!, 0, CHUNK_BYTES, null);
    let next = read(0);
    for (let i = 0; ; i++) {
      const { bytesRead } = await next;
      if (bytesRead === 0) return hash.content();
      next = read(i + 1);
      // What fails is thrown where it is awaited.
      next.catch(() => undefined);
      hash.update(buffers[i % 2]!.subarray(0, bytesRead));
      onBytes?.(bytesRead);
    }
  } finally {
    await file.close();
  }
}
