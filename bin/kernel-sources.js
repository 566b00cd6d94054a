// The C sources of the kernels, and whether the WebAssembly modules in git were compiled from them.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../src/kernels/', import.meta.url));

/** Returns the texts of all sources and headers of the modules by their paths below src/kernels, sorted by path. */
export function readKernelSources() {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.[ch]$/.test(name) && name !== 'addon.c')
    .sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

/** Returns a hash of all sources that the modules are compiled from. */
export function kernelsDigest() {
  const hash = createHash('sha256');
  for (const [name, text] of Object.entries(readKernelSources())) hash.update(`${name}\0${text}\0`);
  return hash.digest('hex');
}
