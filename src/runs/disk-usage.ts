import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemCode, UserError } from '../core/errors.js';
import { checkRoom, freeBytes } from '../io/disk.js';
import type { CheckpointOptions } from './options.js';
import { bytes as sizeText } from '../text/number-text.js';

/** Disk usage of a run's checkpoints, in bytes. */
export interface DiskUsage {
  /** Size of one checkpoint. */
  readonly checkpointBytes: number;
  /** Maximum size of all checkpoints of the run. */
  readonly mostBytes: number;
  readonly freeBytes: number;
}

/** Options that decide how many checkpoints there are at a time. */
type NumberOptions = Pick<CheckpointOptions, 'keepLast' | 'bestBy' | 'delta'>;

/**
 * Returns the maximum number of full checkpoints that take as much space as all checkpoints: the newest, the best ones,
 * and one being written before an old one is removed. Deltas take at most as much as their full checkpoint.
 */
export function maxCheckpoints({ keepLast, bestBy, delta }: NumberOptions): number {
  const newest = keepLast + 1;
  return newest * (delta === undefined ? 1 : 2) + bestBy.length + 1;
}

/**
 * Estimates the disk usage of checkpoints and measures the free space.
 * @param folder directory of runs, which need not exist
 */
export async function estimateDiskUsage(
  folder: string,
  checkpointBytes: number,
  options: NumberOptions,
): Promise<DiskUsage> {
  let existing = folder;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  return {
    checkpointBytes,
    mostBytes: maxCheckpoints(options) * checkpointBytes,
    freeBytes: await freeBytes(existing),
  };
}

/**
 * Checks free disk space before writing; if the disk fills up anyway, adds the required and free bytes to the error.
 * @throws UserError (disk), or what `write` throws
 */
export async function withFreeSpace(folder: string, neededBytes: number, write: () => Promise<void>): Promise<void> {
  await checkRoom(folder, neededBytes, 'a checkpoint');
  try {
    await write();
  } catch (error) {
    const code = error instanceof UserError ? systemCode(error.cause) : undefined;
    if (code !== 'ENOSPC' && code !== 'EDQUOT' && code !== 'EFBIG') throw error;
    const [needed, free] = [neededBytes, await freeBytes(folder)].map(sizeText);
    const more = { message: `a checkpoint requires ${needed}, but ${free} are free on this disk` };
    throw new UserError('disk', [...(error as UserError).problems, more], { cause: error });
  }
}
