import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Packages of which the build copies files. */
const COPIED = ['node_modules/node-api-headers'];

/** Returns the paths of all packages of which dist/ has code or files, relative to the package's root. */
export function listBundledPackages() {
  const list = fileURLToPath(new URL(join('..', 'dist', 'packages.json'), import.meta.url));
  return [...JSON.parse(readFileSync(list, 'utf8')), ...COPIED];
}
