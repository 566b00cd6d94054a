import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../core/errors.js';
import { onDisk } from '../io/disk.js';
import { linkTarget } from '../io/links.js';
import { isCompacted, listBefore, NAME, readManifest } from './manifest.js';
import { CHECKPOINTS } from './runs-root.js';

/** Checkpoints to keep in addition to those with a link. */
export interface Retention {
  readonly keepLast: number;
  /** Unreadable checkpoints, which do not count. */
  readonly damaged: readonly string[];
}

/** Returns the checkpoints directory of a run. */
export function checkpointsFolder(run: string): string {
  return join(run, CHECKPOINTS);
}

/** Lists the names of a run's checkpoints, newest first, without reading or validating them. */
export async function listCheckpoints(run: string): Promise<readonly string[]> {
  const folder = checkpointsFolder(run);
  const names = existsSync(folder) ? await onDisk(folder, () => readdir(folder)) : [];
  const entries = names.flatMap((name) => {
    const match = NAME.exec(name);
    return match === null ? [] : [{ name, step: Number(match[1]), copy: Number(match[2] ?? 1) }];
  });
  return entries.sort((a, b) => b.step - a.step || b.copy - a.copy).map(({ name }) => name);
}

/** Lists the checkpoints that links point at. */
export async function listLinked(run: string): Promise<readonly string[]> {
  const folder = checkpointsFolder(run);
  const entries = existsSync(folder) ? await onDisk(folder, () => readdir(folder)) : [];
  // A temporary name is a link that a killed process left behind.
  return entries.filter((entry) => !entry.startsWith('.')).flatMap((entry) => linkTarget(join(folder, entry)) ?? []);
}

/**
 * Adds the base and the segments of deltas to a list of checkpoints. A compacted delta requires no other, and neither
 * does an unreadable checkpoint.
 */
export async function withBefore(run: string, names: readonly string[]): Promise<ReadonlySet<string>> {
  const kept = new Set(names);
  const pathOf = (name: string): string => join(checkpointsFolder(run), name);
  for (const name of names) {
    try {
      const chain = [...listBefore(await readManifest(pathOf(name))).map((id) => id.name), name];
      const compacted = chain.findLastIndex((each) => isCompacted(pathOf(each)));
      for (const required of chain.slice(Math.max(0, compacted))) kept.add(required);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  }
  return kept;
}

/**
 * Lists the checkpoints of a run that neither a link nor `retention` keeps, and that no kept delta requires, newest
 * first.
 */
export async function listRemovable(run: string, { keepLast, damaged }: Retention): Promise<readonly string[]> {
  const all = await listCheckpoints(run);
  const newest = all.filter((name) => !damaged.includes(name)).slice(0, keepLast);
  const kept = await withBefore(run, [...(await listLinked(run)), ...newest]);
  return all.filter((name) => !kept.has(name));
}
