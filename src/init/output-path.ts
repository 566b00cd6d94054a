import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeFolder, writeFileAtomic } from '../io/disk.js';
import { userError } from '../core/errors.js';

/** The package's own folder. */
export const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));

/** Where an editor finds the schema, from a config. */
export function schemaFor(config: string): string {
  return pathFrom(config, join(PACKAGE, 'dist', 'config.schema.json'));
}

/** A path as it stands in a config: from its folder. */
export function pathFrom(config: string, path: string): string {
  return relative(dirname(resolve(config)), resolve(path));
}

/**
 * Writes a config.
 * @param force whether what is there is replaced
 * @throws UserError (usage) where something is there and is not to be replaced; (disk)
 */
export async function writeConfig(path: string, text: string, force: boolean): Promise<void> {
  assertAbsent(path, force);
  await makeFolder(dirname(resolve(path)));
  await writeFileAtomic(path, text);
}

/** @throws UserError (usage) where something is there and is not to be replaced */
export function assertAbsent(path: string, force: boolean): void {
  if (existsSync(path) && !force)
    throw userError('usage', {
      where: path,
      message: 'is there already',
      fix: 'name another file with --out, or replace it with --force',
    });
}
