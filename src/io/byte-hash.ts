import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import xxhash from 'xxhash-wasm';
import { z } from 'zod';
import { fileBytes } from './file-bytes.js';

/** Size and hash of a file's bytes. */
export const contentSchema = z.strictObject({
  bytes: z.int().min(0),
  hash: z.string().regex(/^(xxh64:[0-9a-f]{16}|sha256:[0-9a-f]{64})$/),
});
export type Content = z.output<typeof contentSchema>;

/** XXH64 detects damage at about 10 GB/s; SHA-256 also detects forgery, at about 2 GB/s. */
export type HashName = 'xxh64' | 'sha256';

export interface ByteHash {
  update(bytes: Uint8Array): void;
  /** Size and hash of the bytes so far. */
  content(): Content;
}

interface RawHash {
  readonly update: (bytes: Uint8Array) => void;
  readonly digest: () => string;
}

/** Bytes per read, hashed while the next ones are read. */
const CHUNK_BYTES = 1 << 18;

/** Creates a hash: XXH64 with seed 0 (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md), or SHA-256. */
export async function createByteHash(name: HashName = 'xxh64'): Promise<ByteHash> {
  const { update, digest } = name === 'sha256' ? sha256() : await xxh64();
  let bytes = 0;
  return {
    update(chunk) {
      update(chunk);
      bytes += chunk.byteLength;
    },
    content: () => ({ bytes, hash: `${name}:${digest()}` }),
  };
}

/**
 * Fits the initial memory of the hash module. If that memory grew, it would detach an array, after which V8 checks
 * every typed array access: batches from shards took 15% longer.
 */
const PIECE_BYTES = 1 << 15;
let xxhashCode: ReturnType<typeof xxhash> | undefined;

async function xxh64(): Promise<RawHash> {
  const hash = (await (xxhashCode ??= xxhash())).create64();
  const update = (bytes: Uint8Array): void => {
    for (let offset = 0; offset < bytes.length; offset += PIECE_BYTES)
      hash.update(bytes.subarray(offset, offset + PIECE_BYTES));
  };
  return { update, digest: () => hash.digest().toString(16).padStart(16, '0') };
}

function sha256(): RawHash {
  const hash = createHash('sha256');
  return { update: (chunk) => void hash.update(chunk), digest: () => hash.copy().digest('hex') };
}

/**
 * Hashes a file.
 * @param onBytes called with the size of each read; an error that it throws ends the read
 */
export async function hashFile(path: string, onBytes?: (bytes: number) => void, name?: HashName): Promise<Content> {
  const hash = await createByteHash(name);
  const { size } = await stat(path);
  const chunkBytes = size > 0 ? Math.min(CHUNK_BYTES, size) : CHUNK_BYTES;
  const buffers = [Buffer.allocUnsafeSlow(chunkBytes), Buffer.allocUnsafeSlow(chunkBytes)];
  for await (const bytes of fileBytes(path, buffers)) {
    hash.update(bytes);
    onBytes?.(bytes.length);
  }
  return hash.content();
}
