import { mkdir, open, readlink, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemCode, UserError, userError } from '../errors.js';

/** What the system says when a write fails, for people. */
const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'no permission to write here',
  EPERM: 'no permission to write here',
  EFBIG: 'the file would be larger than allowed',
  EIO: 'the disk reports an error',
  ENOTDIR: 'a part of the path is a file, not a folder',
};

/** Runs a write and turns the system's errors into a `UserError` (disk) that names the path. */
export async function onDisk<Result>(path: string, write: () => Promise<Result>): Promise<Result> {
  try {
    return await write();
  } catch (error) {
    const code = systemCode(error);
    if (error instanceof UserError || code === undefined) throw error;
    throw userError('disk', { where: path, message: `cannot be written: ${REASONS[code] ?? code}`, fix: 'make room, or choose another folder with --run-dir' }, error);
  }
}

/** Writes a file whole or not at all: to a temporary name beside it, synced, then renamed. */
export async function writeFileAtomic(path: string, content: string): Promise<void> {
  await onDisk(path, async () => {
    const temporary = `${path}.tmp-${process.pid}`;
    await writeSynced(temporary, content);
    await rename(temporary, path);
    await syncFolder(dirname(path));
  });
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
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Fills a folder under a temporary name, syncs it and renames it to `path`, where nothing may be. */
export async function writeFolder(path: string, fill: (folder: string) => Promise<void>): Promise<void> {
  await onDisk(path, async () => {
    const temporary = join(dirname(path), `.tmp-${process.pid}-${path.slice(dirname(path).length + 1)}`);
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary, { recursive: true });
    try {
      await fill(temporary);
      await syncFolder(temporary);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
      throw error;
    }
    await syncFolder(dirname(path));
  });
}

/** Points a symbolic link at `target` (relative to its folder) in one step; true if it pointed elsewhere before. */
export async function pointLink(link: string, target: string): Promise<boolean> {
  return onDisk(link, async () => {
    if ((await readlink(link).catch(() => undefined)) === target) return false;
    const temporary = `${link}.tmp-${process.pid}`;
    await rm(temporary, { force: true });
    await symlink(target, temporary);
    await rename(temporary, link);
    await syncFolder(dirname(link));
    return true;
  });
}
