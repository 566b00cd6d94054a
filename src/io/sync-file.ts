import { fsync, fsyncSync } from 'node:fs';
import { systemCode } from '../core/errors.js';

// Yarn's Plug'n'Play replaces the handles of node:fs/promises by its own, whose `sync` throws: "Method not
// implemented".

/** Flushes an open file or directory to the disk (fsync(2)). Pipes and devices have nothing to flush. */
export function syncFile({ fd }: { readonly fd: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    fsync(fd, (error) => (error === null || isUnsyncable(error) ? resolve() : reject(error)));
  });
}

/** `syncFile` as one call that blocks. */
export function syncFileSync(fd: number): void {
  try {
    fsyncSync(fd);
  } catch (error) {
    if (!isUnsyncable(error)) throw error;
  }
}

/** Whether the system answers that a file of this kind cannot be synced (fsync(2), EINVAL). */
function isUnsyncable(error: unknown): boolean {
  return systemCode(error) === 'EINVAL';
}
