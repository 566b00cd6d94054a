import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

/** The package as `npm pack` would publish it. */
export interface Packed {
  readonly filename: string;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

/** Packs the current build into a directory; without one, only lists the contents. */
export function packInto(folder?: string): Packed {
  const target = folder === undefined ? ['--dry-run'] : ['--pack-destination', folder];
  // A test run has a current build, so nothing is built here.
  return pack('--ignore-scripts', ...target);
}

/** Packs into a directory with the types, which `npm publish` writes before it packs; returns the path of the file. */
export function packWithTypes(folder: string): string {
  return join(folder, pack('--pack-destination', folder).filename);
}

function pack(...args: readonly string[]): Packed {
  const printed = execFileSync('npm', ['pack', '--json', '--silent', ...args], { cwd: root, encoding: 'utf8' });
  const [packed] = JSON.parse(printed) as [Packed];
  return packed;
}
