import { createRequire } from 'node:module';
import { join } from 'node:path';
import { userError } from '../../core/errors.js';
import { userCache } from '../../system/user-cache.js';
import { installPackage, replaceFolder, testedVersion } from '../optional-packages.js';

/** The package of Dawn, an implementation of WebGPU. */
export const DAWN_PACKAGE = 'webgpu';
const WHERE = 'mtl setup webgpu';

/** Returns the directory of a user's copy of the package; undefined for a user without a home directory. */
export function dawnFolder(): string | undefined {
  const cache = userCache();
  return cache && join(cache, 'mtl', DAWN_PACKAGE, testedVersion(DAWN_PACKAGE));
}

/**
 * Finds the package in the project of the user, or else the copy that `mtl setup webgpu` installed.
 * @returns the path of its entry
 * @throws Error with code MODULE_NOT_FOUND
 */
export function resolveDawn(folder = dawnFolder()): string {
  try {
    return createRequire(import.meta.url).resolve(DAWN_PACKAGE);
  } catch (error) {
    if (folder === undefined) throw error;
    return createRequire(join(folder, 'package.json')).resolve(DAWN_PACKAGE);
  }
}

/**
 * Installs the package into a directory, unless the project of the user or the directory has it.
 * @param onStep receives the progress
 * @returns whether it was installed
 * @throws UserError (usage) if npm fails
 */
export function installDawn(onStep: (text: string) => void, folder = dawnFolder()): boolean {
  if (hasDawn(folder)) return false;
  if (folder === undefined)
    throw userError('usage', {
      where: WHERE,
      message: 'no cache directory, because this user has no home directory',
      fix: 'set XDG_CACHE_HOME to a directory',
    });
  replaceFolder(folder, (fresh) => installPackage(fresh, DAWN_PACKAGE, WHERE, onStep));
  return true;
}

function hasDawn(folder: string | undefined): boolean {
  try {
    resolveDawn(folder);
    return true;
  } catch {
    return false;
  }
}
