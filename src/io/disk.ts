import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, mkdir, open, readdir, realpath, rename, rm, stat, statfs, symlink, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createByteHash, type Content } from './byte-hash.js';
import { openDirect } from './direct-file.js';
import { systemCode, UserError, userError } from '../core/errors.js';
import { findOutputPlace } from './output-target.js';
import { cut, gathered } from './pieces.js';
import { syncFile } from './sync-file.js';
import { isTemporary, removeStaleTemporary, temporaryPath } from './temporary.js';

/** What the system says when a write fails, for people. */
const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'no permission to write here',
  EPERM: 'no permission to write here',
  EFBIG: 'the file would be larger than allowed',
  EIO: 'the disk reports an error',
  EEXIST: 'a file of this name is in the way',
  EISDIR: 'a folder of this name is in the way',
  ENOTDIR: 'a part of the path is a file, not a folder',
  ENOENT: 'there is no such folder, and none can be made',
  ELOOP: 'its links lead in a circle',
  EPIPE: 'its reader has ended',
};

/**
 * Runs a write and turns the system's errors into a `UserError` (disk) that names the path.
 * @param fix what to do about it
 */
export async function onDisk<Result>(path: string, write: () => Promise<Result>, fix?: string): Promise<Result> {
  try {
    return await write();
  } catch (error) {
    throw diskError(path, error, fix);
  }
}

/** The same for a write that is over when it returns. */
export function onDiskSync<Result>(path: string, write: () => Result): Result {
  try {
    return write();
  } catch (error) {
    throw diskError(path, error);
  }
}

function diskError(path: string, error: unknown, fix = 'make room, or choose another folder'): unknown {
  const code = systemCode(error);
  if (error instanceof UserError || code === undefined) return error;
  return userError('disk', { where: path, message: `cannot be written: ${REASONS[code] ?? code}`, fix }, error);
}

/**
 * Makes a folder and those above it. (`mkdir` with `recursive` tries for ever where the system answers that a folder
 * that is
 * there is not, as in /proc.)
 */
export async function makeFolder(path: string): Promise<void> {
  const isFolder = (): Promise<boolean> =>
    stat(path).then(
      (stats) => stats.isDirectory(),
      () => false,
    );
  if (await isFolder()) return;
  const parent = dirname(path);
  if (parent !== path && !existsSync(parent)) await makeFolder(parent);
  try {
    await mkdir(path);
  } catch (error) {
    // Others may have made it meanwhile.
    if (!(await isFolder())) throw error;
  }
}

/** Removes what writes into a folder that were cut short left behind; nothing where it is not there. */
export async function removeTemporary(folder: string): Promise<void> {
  await onDisk(folder, async () => {
    const names = existsSync(folder) ? await readdir(folder) : [];
    for (const name of names) if (isTemporary(name)) await rm(join(folder, name), { recursive: true, force: true });
  });
}

/**
 * Makes a file under a temporary name next to `path` and renames it to its place; nothing is left if that fails. Links
 * are followed; a FIFO
 * or a character device is written to in place of being replaced.
 * @throws UserError (disk)
 */
export async function replace(path: string, make: (temporary: string) => Promise<unknown>): Promise<void> {
  await onDisk(path, async () => {
    const place = await findOutputPlace(path);
    if (place.kind === 'stream') {
      await make(place.path);
      return;
    }
    await removeStaleTemporary(place.path);
    await putInPlace(place.path, make);
  });
}

/** Makes something under a temporary name next to `path` and renames it to its place; nothing is left if that fails. */
async function putInPlace(path: string, make: (temporary: string) => Promise<unknown>): Promise<void> {
  await onDisk(path, async () => {
    const temporary = temporaryPath(path);
    try {
      await make(temporary);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
      throw error;
    }
    await syncFolder(dirname(path));
  });
}

/** Writes a file whole or not at all. */
export async function writeFileAtomic(path: string, content: string): Promise<void> {
  await replace(path, (temporary) => writeSynced(temporary, content));
}

/**
 * Writes a file whole or not at all where there is none of that name; of many processes that do so at once, on one
 * machine or several that
 * share a file system, one does it.
 * @returns whether it was this one
 */
export async function createFileAtomic(path: string, content: string): Promise<boolean> {
  return onDisk(path, async () => {
    const temporary = temporaryPath(path);
    try {
      await writeSynced(temporary, content);
      try {
        await link(temporary, path);
      } catch (error) {
        // Of a shared file system the answer may be lost, though the link was made (open(2), O_EXCL).
        if (systemCode(error) !== 'EEXIST') throw error;
        if ((await stat(temporary)).nlink !== 2) return false;
      }
      await syncFolder(dirname(path));
      return true;
    } finally {
      await rm(temporary, { force: true }).catch(() => undefined);
    }
  });
}

/** Fills a folder, whole or not at all; nothing may be at `path`. */
export async function writeFolder(path: string, fill: (folder: string) => Promise<void>): Promise<void> {
  await putInPlace(path, async (temporary) => {
    await makeFolder(temporary);
    await fill(temporary);
    await syncFolder(temporary);
  });
}

/**
 * Fills a folder in the place of one that may be there. Between two renames there is neither: what a kill leaves then
 * are both,
 * under hidden names. A link is followed and stays.
 */
export async function replaceFolder(path: string, fill: (folder: string) => Promise<void>): Promise<void> {
  const place = existsSync(path) ? await onDisk(path, () => realpath(path)) : path;
  const before = temporaryPath(place);
  try {
    await writeFolder(place, async (folder) => {
      await fill(folder);
      if (existsSync(place)) await rename(place, before);
    });
  } catch (error) {
    if (existsSync(before) && !existsSync(place)) await rename(before, place).catch(() => undefined);
    throw error;
  }
  await onDisk(place, async () => {
    await rm(before, { recursive: true, force: true });
    // Last: what a kill left may be the only copy of what was here.
    await removeStaleTemporary(place);
  });
}

/** Points a symbolic link at `target`, relative to the link's folder, in one step. */
export async function pointLink(link: string, target: string): Promise<void> {
  await putInPlace(link, (temporary) => symlink(target, temporary));
}

/** Size and SHA-256 (hexadecimal) of a file: enough to see later whether it is whole. */
export interface FileDigest {
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Writes a file and syncs it.
 * @param content a text, or bytes part by part; a part need not outlast the next
 * @returns its digests: each piece is hashed while the system writes it, so that it costs little time of its own
 */
export async function writeSynced(path: string, content: string | Iterable<Uint8Array>): Promise<FileDigest & Content> {
  const digests = await createDigests();
  const file = await open(path, 'w');
  try {
    for (const piece of typeof content === 'string' ? cut(Buffer.from(content)) : gathered(content)) {
      const writing = file.write(piece);
      digests.update(piece);
      const { bytesWritten } = await writing;
      // What a write leaves over is hashed again with its own piece, so it is written to its end here.
      for (let rest = bytesWritten; rest < piece.byteLength;) rest += (await file.write(piece, rest)).bytesWritten;
    }
    await syncFile(file);
  } finally {
    await file.close();
  }
  return digests.all();
}

/**
 * The same for what no memory should keep, as more than there is of it: the bytes go to the disk past the system's
 * memory, which saves a copy
 * and pushes nothing out of there. Whoever reads them next does so from the disk.
 */
export async function writeDirect(path: string, parts: Iterable<Uint8Array>): Promise<FileDigest & Content> {
  const digests = await createDigests();
  const file = await openDirect(path);
  try {
    for (const part of parts) {
      for (const piece of cut(part)) {
        digests.update(piece);
        await file.add(piece);
      }
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return digests.all();
}

/** The digests of bytes as they pass. */
async function createDigests(): Promise<{ update(piece: Uint8Array): void; all(): FileDigest & Content }> {
  const sha256 = createHash('sha256');
  const hash = await createByteHash();
  return {
    update(piece) {
      sha256.update(piece);
      hash.update(piece);
    },
    all: () => ({ ...hash.content(), sha256: sha256.digest('hex') }),
  };
}

/** Cuts a file to a length, if it is longer; gives the length that it has then, 0 where it is not there. */
export async function cutFile(path: string, bytes: number): Promise<number> {
  if (!existsSync(path)) return 0;
  return onDisk(path, async () => {
    const { size } = await stat(path);
    if (size > bytes) await truncate(path, bytes);
    return Math.min(size, bytes);
  });
}

/** Bytes that are free for this user on the disk that a folder is on; Infinity where the file system does not tell. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize, blocks } = await onDisk(folder, () => statfs(folder));
  return blocks === 0 ? Infinity : bavail * bsize;
}

/**
 * Asks for room before something large is written.
 * @param what is to be written, for people
 * @throws UserError (disk) with the needed and the free bytes
 */
export async function checkRoom(folder: string, neededBytes: number, what: string): Promise<void> {
  const free = await freeBytes(folder);
  if (neededBytes <= free) return;
  throw userError('disk', {
    where: folder,
    message: `${what} needs ${neededBytes} bytes, ${free} are free on this disk`,
    fix: 'make room, or choose another folder',
  });
}

/** Makes the names in a folder last. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await syncFile(folder);
  } finally {
    await folder.close();
  }
}
