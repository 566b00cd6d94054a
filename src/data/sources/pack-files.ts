import { hash } from 'node:crypto';
import { dirname } from 'node:path';
import type { OpenedFile } from './cell-part.js';

/** Fewer files are not packed. */
const MANY_FILES = 32;
/** Maximum size of a file that is packed. */
const SMALL_BYTES = 1e6;
const MAX_PACK_FILES = 256;
const MAX_PACK_BYTES = 8e6;
/** Expected size of packs of very small files, and of other files. */
const PACK_FILES = 128;
const PACK_BYTES = 4e6;

/**
 * Divides the files of a source into packs of files that follow each other. A cache entry of each of thousands of small
 * files would take far longer than their rows. A file begins a pack by a hash of its own name, so that an added or
 * removed file changes no other pack, or few.
 */
export function packFiles(files: readonly OpenedFile[]): readonly (readonly OpenedFile[])[] {
  if (files.length < MANY_FILES) return files.map((file) => [file]);
  const packs: OpenedFile[][] = [];
  let room = 0;
  for (const file of files) {
    const isSmall = file.bytes <= SMALL_BYTES && file.rows.csv.stream === undefined;
    const last = packs.at(-1);
    const isNext = last?.[0]!.home === file.home && last.length < MAX_PACK_FILES && file.bytes <= room;
    if (last !== undefined && isNext && isSmall && !beginsPack(file)) last.push(file);
    else {
      packs.push([file]);
      room = isSmall ? MAX_PACK_BYTES : 0;
    }
    room -= file.bytes;
  }
  return packs;
}

/** Draws from the hash of the path below the cache's parent; the larger a file, the more likely it begins a pack. */
function beginsPack({ path, home, bytes }: OpenedFile): boolean {
  const drawn = parseInt(hash('sha1', path.slice(dirname(home).length + 1)).slice(0, 8), 16) / 2 ** 32;
  return drawn < Math.max(1 / PACK_FILES, bytes / PACK_BYTES);
}
