import type { Stats } from 'node:fs';
import { readlink, realpath, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { systemCode, userError } from '../core/errors.js';

/** Target of a write: a path to replace, or a pipe or device to write to. */
export interface OutputPlace {
  readonly kind: 'file' | 'stream';
  readonly path: string;
}

/**
 * Finds the target of a write. Follows links; replaces absent or regular files; writes to FIFOs and character devices.
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

/** Returns how to write to an existing path. @throws UserError (disk) if it cannot be written */
export function outputKind(
  stats: Pick<Stats, 'isFile' | 'isDirectory' | 'isFIFO' | 'isCharacterDevice'>,
  path: string,
): OutputPlace['kind'] {
  if (stats.isFile()) return 'file';
  if (stats.isFIFO() || stats.isCharacterDevice()) return 'stream';
  const found = stats.isDirectory() ? 'a directory' : 'a socket or a block device';
  throw userError('disk', { where: path, message: `cannot be written: it is ${found}`, fix: 'name a file' });
}
