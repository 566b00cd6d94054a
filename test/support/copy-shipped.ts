import { cpSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

/**
 * Copies shipped files to the same paths below a directory, without the cache next to the data, which readers may write
 * meanwhile.
 */
export function copyShipped(folder: string, parts: readonly string[]): void {
  for (const part of parts)
    cpSync(join(root, part), join(folder, part), {
      recursive: true,
      preserveTimestamps: true,
      filter: (path) => !path.endsWith('.mtl'),
    });
}
