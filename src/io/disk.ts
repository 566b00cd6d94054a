import { createHash } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { copyFile, link, mkdir, open, readdir, realpath, rm, stat, statfs, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { remove, renameBusy } from './busy.js';
import { createByteHash, type Content } from './byte-hash.js';
import { openDirect } from './direct-file.js';
import { systemCode, UserError, userError } from '../core/errors.js';
import { findOutputPlace } from './output-target.js';
import { cut, gathered } from './pieces.js';
import { isLinkRefused } from './refused.js';
import { syncFile } from './sync-file.js';
import { isTemporary, removeStaleTemporary, temporaryPath } from './temporary.js';
import { bytes as sizeText } from '../text/number-text.js';

/** Reasons of failed writes, by system error code. */
const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is exceeded',
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EFBIG: 'the file would exceed the size limit',
  EIO: 'the disk reported an error',
  EEXIST: 'a file with this name exists',
  EISDIR: 'a directory with this name exists',
  ENOTDIR: 'part of the path is a file, not a directory',
  ENOENT: 'the directory does not exist and cannot be created',
  ELOOP: 'its symbolic links form a loop',
  EPIPE: 'its reader has exited',
};

/** Runs a write, and converts system errors to a `UserError` (disk) that names the path. */
export async function onDisk<Result>(path: string, write: () => Promise<Result>, fix?: string): Promise<Result> {
  try {
    return await write();
  } catch (error) {
    throw diskError(path, error, fix);
  }
}

/** Runs `onDisk` synchronously: errors of the disk become a UserError (disk) with the path. */
export function onDiskSync<Result>(path: string, write: () => Result): Result {
  try {
    return write();
  } catch (error) {
    throw diskError(path, error);
  }
}

function diskError(path: string, error: unknown, fix = 'free disk space, or use another directory'): unknown {
  const code = systemCode(error);
  if (error instanceof UserError || code === undefined) return error;
  return userError('disk', { where: path, message: `cannot be written: ${REASONS[code] ?? code}`, fix }, error);
}

/**
 * Creates a directory and its parents. (`mkdir` with `recursive` never returns if the system reports an existing
 * directory as absent, as in /proc.)
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
    // Another process may have created it.
    if (!(await isFolder())) throw error;
  }
}

/** Removes the remains of interrupted writes from a directory, if it exists. */
export async function removeTemporary(folder: string): Promise<void> {
  await onDisk(folder, async () => {
    const names = existsSync(folder) ? await readdir(folder) : [];
    for (const name of names) if (isTemporary(name)) await remove(join(folder, name));
  });
}

/**
 * Creates a file under a temporary name next to `path` and renames it; a failure leaves nothing behind. Follows links;
 * writes to a FIFO or character device instead of replacing it.
 * @throws UserError (disk)
 */
export async function replace(path: string, make: (temporary: string) => Promise<unknown>): Promise<void> {
  await onDisk(path, async () => {
    const destination = await findOutputPlace(path);
    if (destination.kind === 'stream') {
      await make(destination.path);
      return;
    }
    await removeStaleTemporary(destination.path);
    await putInPlace(destination.path, make);
  });
}

/**
 * Creates something under a temporary name next to `path` and renames it; a failure leaves nothing behind. Replaces a
 * link itself.
 * @throws UserError (disk)
 */
export async function putInPlace(path: string, make: (temporary: string) => Promise<unknown>): Promise<void> {
  await onDisk(path, async () => {
    const temporary = temporaryPath(path);
    try {
      await make(temporary);
      await renameBusy(temporary, path);
    } catch (error) {
      await remove(temporary).catch(() => undefined);
      throw error;
    }
    await syncFolder(dirname(path));
  });
}

/** Writes a file atomically. */
export async function writeFileAtomic(path: string, content: string): Promise<void> {
  await replace(path, (temporary) => writeSynced(temporary, content));
}

/**
 * Creates a file if it does not exist; of concurrent processes, even on a shared file system, only one succeeds.
 * Atomic, except on a disk without hard links (FAT), where others may see an incomplete file for a moment.
 * @returns whether this process created it
 */
export async function createFileAtomic(path: string, content: string): Promise<boolean> {
  return onDisk(path, async () => {
    const temporary = temporaryPath(path);
    try {
      await writeSynced(temporary, content);
      try {
        await linkOrCopy(temporary, path);
      } catch (error) {
        // A shared file system may lose the reply although it made the link (open(2), O_EXCL).
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

/**
 * Gives a file another name, which must not exist. On a disk without hard links, copies it, and others may see an
 * incomplete copy.
 */
export async function linkOrCopy(file: string, path: string): Promise<void> {
  try {
    await link(file, path);
  } catch (error) {
    if (!isLinkRefused(error)) throw error;
    await copyFile(file, path, constants.COPYFILE_EXCL);
  }
}

/** Creates a directory atomically; `path` must not exist. */
export async function writeFolder(path: string, fill: (folder: string) => Promise<void>): Promise<void> {
  await putInPlace(path, async (temporary) => {
    await makeFolder(temporary);
    await fill(temporary);
    await syncFolder(temporary);
  });
}

/**
 * Replaces a directory. Between two renames neither exists; a kill then leaves both under hidden names. Follows a link.
 */
export async function replaceFolder(path: string, fill: (folder: string) => Promise<void>): Promise<void> {
  const destination = existsSync(path) ? await onDisk(path, () => realpath(path)) : path;
  const oldFolder = temporaryPath(destination);
  try {
    await writeFolder(destination, async (folder) => {
      await fill(folder);
      if (existsSync(destination)) await renameBusy(destination, oldFolder);
    });
  } catch (error) {
    if (existsSync(oldFolder) && !existsSync(destination))
      await renameBusy(oldFolder, destination).catch(() => undefined);
    throw error;
  }
  await onDisk(destination, async () => {
    await remove(oldFolder);
    // Last, since a kill may have left the only copy there.
    await removeStaleTemporary(destination);
  });
}

/** Size and hexadecimal SHA-256 of a file, to detect damage. */
export interface FileDigest {
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Writes a file and syncs it.
 * @param content a string, or byte blocks that are valid until the next one
 * @returns its digests, computed while the system writes
 */
export async function writeSynced(path: string, content: string | Iterable<Uint8Array>): Promise<FileDigest & Content> {
  const digests = await createDigests();
  const file = await open(path, 'w');
  try {
    for (const piece of typeof content === 'string' ? cut(Buffer.from(content)) : gathered(content)) {
      const writing = file.write(piece);
      digests.update(piece);
      const { bytesWritten } = await writing;
      // Completes partial writes here, so that no piece is hashed twice.
      for (let rest = bytesWritten; rest < piece.byteLength;) rest += (await file.write(piece, rest)).bytesWritten;
    }
    await syncFile(file);
  } finally {
    await file.close();
  }
  return digests.all();
}

/**
 * Writes and syncs large data past the page cache, which saves a copy and evicts nothing. The next reader reads from
 * the disk.
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

/** Truncates a file to `bytes` if it is longer. Returns its resulting size, or 0 if it does not exist. */
export async function cutFile(path: string, bytes: number): Promise<number> {
  if (!existsSync(path)) return 0;
  return onDisk(path, async () => {
    const { size } = await stat(path);
    if (size > bytes) await truncate(path, bytes);
    return Math.min(size, bytes);
  });
}

/**
 * Returns the bytes available to this user on the disk of a directory; Infinity if the file system does not report
 * them.
 */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize, blocks } = await onDisk(folder, () => statfs(folder));
  return blocks === 0 ? Infinity : bavail * bsize;
}

/**
 * Checks the free disk space before a large write.
 * @param what the data, for the message
 * @throws UserError (disk) with the required and free bytes
 */
export async function checkRoom(folder: string, neededBytes: number, what: string): Promise<void> {
  const free = await freeBytes(folder);
  if (neededBytes <= free) return;
  throw userError('disk', {
    where: folder,
    message: `${what} requires ${sizeText(neededBytes)}, but only ${sizeText(free)} are free on this disk`,
    fix: 'free disk space, or use another directory',
  });
}

/** Errors of systems that can open or sync files only, such as Windows; POSIX has none of them for directories. */
const FILES_ONLY: ReadonlySet<unknown> = new Set(['EPERM', 'EISDIR', 'ENOTSUP', 'EBADF']);

/** Syncs the entries of a directory to the disk, if the system can. */
export async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r');
    try {
      await syncFile(folder);
    } finally {
      await folder.close();
    }
  } catch (error) {
    if (!FILES_ONLY.has(systemCode(error))) throw error;
  }
}
