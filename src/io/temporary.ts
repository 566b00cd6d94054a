import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import os from 'node:os';
import { basename, dirname, join } from 'node:path';
import { remove, renameBusy } from './busy.js';
import { bootId, isAlive, pidNamespace } from '../system/process-identity.js';

let numTemporaries = 0;

/**
 * Returns a unique hidden name next to `path`, which contains its writer. Unique across processes, containers and
 * machines that share the disk.
 */
export function temporaryPath(path: string): string {
  return join(
    dirname(path),
    `.${basename(path)}.${os.hostname()}-${process.pid}-${writerTag()}-${++numTemporaries}.tmp`,
  );
}

/** Returns whether a file name is the name of a temporary file. */
export function isTemporary(name: string): boolean {
  return /^\..*\.tmp$/.test(name);
}

let tag: string | undefined;

/** Distinguishes writers with the same host name and process id by boot and PID namespace. */
function writerTag(): string {
  if (tag !== undefined) return tag;
  const namespace = pidNamespace();
  return (tag = createHash('sha256')
    .update(namespace === null ? '' : `${namespace} ${bootId()}`)
    .digest('hex')
    .slice(0, 8));
}

/**
 * Temporary files of dead writers by directory. Each directory is listed once, since a command may write thousands of
 * files into one.
 */
const stale = new Map<string, Promise<readonly string[]>>();

/**
 * Removes the temporary files of dead writers for a path. Keeps the files of running writers, and of other machines or
 * containers, whose state is unknown.
 */
export async function removeStaleTemporary(path: string): Promise<void> {
  const folder = dirname(path);
  if (!stale.has(folder)) stale.set(folder, staleNames(folder));
  const names = (await stale.get(folder)!).filter((name) => name.startsWith(`.${basename(path)}.${os.hostname()}-`));
  for (const name of names) await remove(join(folder, name));
}

async function staleNames(folder: string): Promise<readonly string[]> {
  // The write reports problems of the directory.
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => isTemporary(name) && isWriterAlive(name) === false);
}

/** Returns whether the writer of a temporary file runs; undefined for another machine, boot or container. */
export function isWriterAlive(name: string): boolean | undefined {
  const [ending, pid, writer] = /-(\d+)-([0-9a-f]{8})-\d+\.tmp$/.exec(name) ?? [];
  if (ending === undefined || writer !== writerTag() || !name.endsWith(`.${os.hostname()}${ending}`)) return undefined;
  return isAlive(Number(pid), null);
}

/** Removes a file or directory; an interruption leaves it intact or under a temporary name. */
export async function removeWhole(path: string): Promise<void> {
  const temporary = temporaryPath(path);
  await renameBusy(path, temporary);
  await remove(temporary);
}
