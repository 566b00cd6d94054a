import { renameSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { systemCode } from '../core/errors.js';

// Windows refuses to rename or remove a file that another process has open, such as a virus scanner or an indexer,
// usually for less than a second.

/** Pauses before further attempts: 780 ms in total. */
const PAUSES_MS = [10, 20, 50, 100, 200, 400];
const BUSY: ReadonlySet<unknown> = new Set(['EACCES', 'EBUSY', 'EPERM']);
/** Attempts of Node's `rm`, whose pauses grow by the delay: 750 ms in total. */
const REMOVAL = { recursive: true, force: true, maxRetries: 5, retryDelay: 50 } as const;

/** Renames a file or directory; retries for a short time if it is busy. */
export async function renameBusy(from: string, to: string): Promise<void> {
  for (const pauseMs of PAUSES_MS) {
    try {
      return await rename(from, to);
    } catch (error) {
      if (!BUSY.has(systemCode(error))) throw error;
      await setTimeout(pauseMs);
    }
  }
  await rename(from, to);
}

/** Renames synchronously, like `renameBusy`. */
export function renameBusySync(from: string, to: string): void {
  for (const pauseMs of PAUSES_MS) {
    try {
      return renameSync(from, to);
    } catch (error) {
      if (!BUSY.has(systemCode(error))) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
    }
  }
  renameSync(from, to);
}

/** Removes a file or directory if it exists; retries for a short time if it is busy. */
export async function remove(path: string): Promise<void> {
  await rm(path, REMOVAL);
}
