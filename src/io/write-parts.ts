import { open } from 'node:fs/promises';
import { createByteHash, type Content } from './byte-hash.js';
import { cut, PIECE_BYTES } from './pieces.js';
import { syncFile } from './sync-file.js';

/** Parts of fewer bytes are put together: each costs a call of the hash. */
const LARGE_BYTES = 1 << 15;
/** The system takes no more with one call (writev(2), IOV_MAX). */
const MAX_PARTS = 1024;

/** A file whose bytes the system has. */
export interface WrittenFile {
  readonly content: Content;
  /** Has the disk take them for good, and closes the file; nothing else closes it. */
  sync(): Promise<void>;
}

/**
 * Writes a file of large parts as they lie, several with one call. The disk is given time: the parts are free when the
 * promise is kept, and the file is there to
 * stay once it is synced.
 * @param parts must stay as they are meanwhile
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
        // What a write leaves over.
        for (let at = Math.min(bytesWritten, piece.byteLength); at < piece.byteLength;)
          at += (await file.write(piece, at)).bytesWritten;
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

/** What one write takes: large parts as they are, of small ones a copy. */
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
