import { lstatSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative } from 'node:path';
import { UserError } from '../core/errors.js';
import { remove } from './busy.js';
import { onDisk, putInPlace, writeSynced } from './disk.js';
import { isLinkRefused } from './refused.js';
import { withSlashes } from './slashes.js';

// A link to a directory is a symbolic link. If the system refuses those (Windows without developer mode, FAT, some
// network disks), it is a file whose only line is the target.

const MAX_LINK_BYTES = 4096;
/** Limit of a chain of link files, as the limit of symbolic links (path_resolution(7)). */
const MAX_LINKS = 40;
/** One line without control characters. */
const LINK_TEXT = /^[^\p{Cc}]+\r?\n$/u;

/**
 * Points a link at a directory, atomically. Windows cannot replace a symbolic link to a directory, so there a file
 * replaces it once, and further files replace that one.
 * @param target relative to the link's directory, or absolute
 * @throws UserError (disk)
 */
export async function pointLink(link: string, target: string): Promise<void> {
  const portable = withSlashes(target);
  if (readLinkFile(link) === undefined) {
    try {
      return await putInPlace(link, (temporary) => symlink(portable, temporary, 'dir'));
    } catch (error) {
      if (!(error instanceof UserError && isLinkRefused(error.cause))) throw error;
    }
    if (lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() === true) await onDisk(link, () => remove(link));
  }
  await putInPlace(link, (temporary) => writeSynced(temporary, `${portable}\n`));
}

/** Reads the target of a link, with `/` as separator; undefined if the path is not a link. */
export function linkTarget(path: string): string | undefined {
  try {
    return withSlashes(readlinkSync(path));
  } catch {
    return readLinkFile(path);
  }
}

/**
 * Replaces the link files on a path by their targets; the system follows symbolic links itself.
 * @returns the path itself if it is a directory, or contains a loop
 */
export function followLinks(path: string): string {
  let followed = path;
  for (let count = 0; count < MAX_LINKS; count++) {
    const next = isFolder(followed) ? undefined : followLast(followed);
    if (next === undefined) return followed;
    followed = next;
  }
  return path;
}

/** Replaces the last link file on a path; undefined if there is none. */
function followLast(path: string): string | undefined {
  for (let part = path; ; part = dirname(part)) {
    const target = readLinkFile(part);
    if (target !== undefined)
      return join(isAbsolute(target) ? target : join(dirname(part), target), relative(part, path));
    if (dirname(part) === part) return undefined;
  }
}

function readLinkFile(path: string): string | undefined {
  try {
    const stats = lstatSync(path);
    if (!stats.isFile() || stats.size > MAX_LINK_BYTES) return undefined;
    const text = readFileSync(path, 'utf8');
    return LINK_TEXT.test(text) ? text.trimEnd() : undefined;
  } catch {
    return undefined;
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
