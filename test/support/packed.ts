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
  const args = ['pack', '--json', '--silent', '--ignore-scripts', ...target];
  const [packed] = JSON.parse(execFileSync('npm', args, { cwd: root, encoding: 'utf8' })) as [Packed];
  return packed;
}
