import { open } from 'node:fs/promises';
import { createByteHash, type Content } from './byte-hash.js';
import { cut, PIECE_BYTES } from './pieces.js';
import { syncFile } from './sync-file.js';

/** Smaller parts are combined, since each costs a call of the hash. */
const LARGE_BYTES = 1 << 15;
/** Limit of one call (writev(2), IOV_MAX). */
const MAX_PARTS = 1024;

/** A file that is written, but not synced. */
export interface WrittenFile {
  readonly content: Content;
  /** Syncs and closes the file; nothing else closes it. */
  sync(): Promise<void>;
}

/**
 * Writes large parts without a copy, several per call. Parts are free once the promise resolves; the file is durable
 * after `sync`.
 * @param parts must not change meanwhile
 */
export async function writeParts(path: string, parts: Iterable<Uint8Array>): Promise<WrittenFile> {
  const hash = await createByteHash();
  const file = await open(path, 'w');
  try {
    for (const group of grouped(parts)) {
      const writing = file.writev(group);
      for (const piece of group) hash.update(piece);
      let { bytesWritten } = await writing;
      for (const piece of group) {
        // Completes partial writes.
        for (let offset = Math.min(bytesWritten, piece.byteLength); offset < piece.byteLength;)
          offset += (await file.write(piece, offset)).bytesWritten;
        bytesWritten = Math.max(0, bytesWritten - piece.byteLength);
      }
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  return {
    content: hash.content(),
    async sync() {
      try {
        await syncFile(file);
      } finally {
        await file.close();
      }
    },
  };
}

/** Groups parts into writes: large ones as they are, small ones copied. */
function* grouped(parts: Iterable<Uint8Array>): Generator<Uint8Array[]> {
  let group: Uint8Array[] = [];
  let bytes = 0;
  for (const part of withoutSmall(parts)) {
    for (const piece of cut(part)) {
      group.push(piece);
      bytes += piece.byteLength;
      if (bytes < PIECE_BYTES && group.length < MAX_PARTS) continue;
      yield group;
      [group, bytes] = [[], 0];
    }
  }
  if (group.length > 0) yield group;
}

function* withoutSmall(parts: Iterable<Uint8Array>): Generator<Uint8Array> {
  let small: Uint8Array[] = [];
  let bytes = 0;
  for (const part of parts) {
    const isLarge = part.byteLength >= LARGE_BYTES;
    if (!isLarge) {
      small.push(part);
      bytes += part.byteLength;
    }
    if (bytes > 0 && (isLarge || bytes >= LARGE_BYTES)) {
      yield Buffer.concat(small);
      [small, bytes] = [[], 0];
    }
    if (isLarge) yield part;
  }
  if (bytes > 0) yield Buffer.concat(small);
}
