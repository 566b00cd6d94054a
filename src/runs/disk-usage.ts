import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { freeBytes } from '../io/disk.js';
import type { CheckpointOptions } from './options.js';

/** Disk usage of a run's checkpoints, in bytes. */
export interface DiskUsage {
  /** Size of one checkpoint. */
  readonly checkpointBytes: number;
  /** Maximum size of all checkpoints of the run. */
  readonly mostBytes: number;
  readonly freeBytes: number;
}

/**
 * Returns the maximum number of checkpoints on disk: the newest, the best ones, and one being written before an old one
 * is removed.
 */
export function maxCheckpoints({ keepLast, bestBy }: Pick<CheckpointOptions, 'keepLast' | 'bestBy'>): number {
  return keepLast + bestBy.length + 2;
}

/**
 * Estimates the disk usage of checkpoints and measures the free space.
 * @param folder directory of runs, which need not exist
 */
export async function estimateDiskUsage(
  folder: string,
  checkpointBytes: number,
  options: Pick<CheckpointOptions, 'keepLast' | 'bestBy'>,
): Promise<DiskUsage> {
  let existing = folder;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  return {
    checkpointBytes,
    mostBytes: maxCheckpoints(options) * checkpointBytes,
    freeBytes: await freeBytes(existing),
  };
}
