import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { freeBytes } from '../io/disk.js';
import type { CheckpointOptions } from './options.js';

/** What the checkpoints of a run take of the disk, in bytes. */
export interface DiskUsage {
  /** Of one. */
  readonly checkpointBytes: number;
  /** Of all that lie there together. */
  readonly mostBytes: number;
  readonly freeBytes: number;
}

/**
 * Checkpoints that lie beside each other: the newest, the best ones, and the one that is written before an old one
 * goes.
 */
export function maxCheckpoints({ keepLast, bestBy }: Pick<CheckpointOptions, 'keepLast' | 'bestBy'>): number {
  return keepLast + bestBy.length + 2;
}

/**
 * The room for checkpoints where runs will be.
 * @param folder of runs, which need not be there
 */
export async function estimateDiskUsage(
  folder: string,
  checkpointBytes: number,
  options: Pick<CheckpointOptions, 'keepLast' | 'bestBy'>,
): Promise<DiskUsage> {
  let there = folder;
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
  return { checkpointBytes, mostBytes: maxCheckpoints(options) * checkpointBytes, freeBytes: await freeBytes(there) };
}
