import { cpSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

/**
 * Copies files and folders that are shipped to the same places below a folder, without what is kept beside data:
 * whoever reads that data writes there meanwhile.
 */
export function copyShipped(folder: string, parts: readonly string[]): void {
  for (const part of parts)
    cpSync(join(root, part), join(folder, part), {
      recursive: true,
      preserveTimestamps: true,
      filter: (path) => !path.endsWith('.mtl'),
    });
}
