import { mkdir, open, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { systemCode, UserError, userError } from './errors.js';

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
};

/** Runs a write and turns the system's errors into a `UserError` (disk) that names the path. */
export async function onDisk<Result>(path: string, write: () => Promise<Result>): Promise<Result> {
  try {
    return await write();
  } catch (error) {
    throw diskError(path, error);
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

function diskError(path: string, error: unknown): unknown {
  const code = systemCode(error);
  if (error instanceof UserError || code === undefined) return error;
  return userError('disk', { where: path, message: `cannot be written: ${REASONS[code] ?? code}`, fix: 'make room, or choose another folder' }, error);
}

let numTemporaries = 0;

/** A name beside a path that nothing else uses, in this process or another; hidden, and told apart by its ending. */
function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}-${++numTemporaries}.tmp`);
}

/** Makes something under a temporary name beside `path` and renames it to its place; nothing is left where that fails. */
export async function replace(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
  await onDisk(path, async () => {
    const temporary = temporaryName(path);
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

/** Fills a folder, whole or not at all; nothing may be at `path`. */
export async function writeFolder(path: string, fill: (folder: string) => Promise<void>): Promise<void> {
  await replace(path, async (temporary) => {
    await mkdir(temporary, { recursive: true });
    await fill(temporary);
    await syncFolder(temporary);
  });
}

/** Points a symbolic link at `target`, relative to the link's folder, in one step. */
export async function pointLink(link: string, target: string): Promise<void> {
  await replace(link, (temporary) => symlink(target, temporary));
}

/** Writes a file and syncs it. */
export async function writeSynced(path: string, content: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the names in a folder last. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
