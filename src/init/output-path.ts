import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeFolder, writeFileAtomic } from '../io/disk.js';
import { withSlashes } from '../io/slashes.js';
import { userError } from '../core/errors.js';

/** Directory of the package. */
export const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));

/** Returns the path of the JSON Schema relative to a config. */
export function getSchemaPath(config: string): string {
  return getRelativePath(config, join(PACKAGE, 'dist', 'config.schema.json'));
}

/** Returns a path relative to the directory of a config, as any system reads it. */
export function getRelativePath(config: string, path: string): string {
  return withSlashes(relative(dirname(resolve(config)), resolve(path)));
}

/**
 * Writes a config.
 * @param force whether to overwrite an existing file
 * @throws UserError (usage) if the file exists and `force` is false; (disk)
 */
export async function writeConfig(path: string, text: string, force: boolean): Promise<void> {
  assertAbsent(path, force);
  await makeFolder(dirname(resolve(path)));
  await writeFileAtomic(path, text);
}

/**
 * Checks that a file may be written.
 * @throws UserError (usage) if it exists and `force` is false
 */
export function assertAbsent(path: string, force: boolean): void {
  if (existsSync(path) && !force)
    throw userError('usage', {
      where: path,
      message: 'file already exists',
      fix: 'use another file with --out, or overwrite it with --force',
    });
}
