import type { Stats } from 'node:fs';
import { readlink, realpath, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { systemCode, userError } from '../core/errors.js';

/** Where a file is written: at a path that it replaces, or into a pipe or a device, which stays. */
export interface OutputPlace {
  readonly kind: 'file' | 'stream';
  readonly path: string;
}

/**
 * Finds where a file that is to be written at a path goes. Links are followed and stay; a file that is absent or
 * regular is replaced; a FIFO or
 * a character device is written to.
 * @throws UserError (disk) for a directory, a socket or a block device
 */
export async function findOutputPlace(path: string): Promise<OutputPlace> {
  const stats = await stat(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (stats === undefined) {
    const target = await readlink(path).catch(() => undefined);
    if (target === undefined) return { kind: 'file', path };
    return findOutputPlace(resolve(await realpath(dirname(path)), target));
  }
  const kind = outputKind(stats, path);
  return { kind, path: kind === 'file' ? await realpath(path) : path };
}

/** Decides how what exists at a path is written. @throws UserError (disk) if it cannot be */
export function outputKind(
  stats: Pick<Stats, 'isFile' | 'isDirectory' | 'isFIFO' | 'isCharacterDevice'>,
  path: string,
): OutputPlace['kind'] {
  if (stats.isFile()) return 'file';
  if (stats.isFIFO() || stats.isCharacterDevice()) return 'stream';
  const found = stats.isDirectory() ? 'a directory' : 'a socket or a block device';
  throw userError('disk', { where: path, message: `cannot be written: it is ${found}`, fix: 'name a file' });
}
