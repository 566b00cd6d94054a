import { createHash } from 'node:crypto';
import type { StoredTensor } from './safetensors.js';

/** Bytes per hash update. */
const PIECE_BYTES = 1 << 22;

/** Returns the SHA-256 of the names and elements of tensors. */
export function hashTensors(tensors: ReadonlyMap<string, StoredTensor>): string {
  const hash = createHash('sha256');
  for (const [name, { data }] of tensors) {
    hash.update(`${name}\0${data.byteLength}\0`);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) hash.update(bytes.subarray(at, at + PIECE_BYTES));
  }
  return hash.digest('hex');
}
