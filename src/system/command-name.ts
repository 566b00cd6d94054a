import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Directories of packages' commands, which npm and npx put in front of PATH only for the programs that they start. */
const OF_PACKAGES = /node_modules[\\/]\.bin[\\/]?$/;

/** The command as its user can type it, for hints: `mtl` if a shell finds it, otherwise `npx mtl`. */
export const MTL = commandName(process.env['PATH'] ?? '');

/** @param path directories, as in the variable PATH */
export function commandName(path: string): 'mtl' | 'npx mtl' {
  const isFound = path
    .split(delimiter)
    .some((folder) => folder !== '' && !OF_PACKAGES.test(folder) && existsSync(join(folder, 'mtl')));
  return isFound ? 'mtl' : 'npx mtl';
}
