import { fsync, fsyncSync } from 'node:fs';
import { systemCode } from '../core/errors.js';

// Yarn's Plug'n'Play replaces file handles of node:fs/promises with ones whose `sync` throws "Method not implemented".

/** Flushes an open file or directory to the disk (fsync(2)). Pipes and devices have nothing to flush. */
export function syncFile({ fd }: { readonly fd: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    fsync(fd, (error) => (error === null || isUnsyncable(error) ? resolve() : reject(error)));
  });
}

/** Flushes a file synchronously, like `syncFile`. */
export function syncFileSync(fd: number): void {
  try {
    fsyncSync(fd);
  } catch (error) {
    if (!isUnsyncable(error)) throw error;
  }
}

/** Returns whether the system cannot sync this kind of file (fsync(2), EINVAL). */
function isUnsyncable(error: unknown): boolean {
  return systemCode(error) === 'EINVAL';
}
