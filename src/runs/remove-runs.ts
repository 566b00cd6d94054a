import { existsSync, lstatSync, readdirSync, realpathSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { remove } from '../io/busy.js';
import { onDisk } from '../io/disk.js';
import { followLinks, linkTarget } from '../io/links.js';
import { UserError } from '../core/errors.js';
import { channelsByRun } from './channels.js';
import { checkpointsFolder, listCheckpoints, listLinked, withBefore } from './retention.js';
import { isTaken } from './lock.js';
import { LATEST, pointLatest, removeRunFolder } from './run-folder.js';
import { describeRun, findRuns, hasCheckpoint } from './run-list.js';
import { shownPath } from './runs-root.js';
import { MTL } from '../system/command-name.js';

/** Removed paths and the bytes that they took. */
export interface Removed {
  readonly paths: readonly string[];
  readonly bytes: number;
}

/**
 * Removes runs. If runs/latest pointed to one of them, points it to the newest remaining run.
 * @param root directory of all runs
 * @throws UserError (usage), with nothing removed, if one of them is being trained or is in a channel
 */
export async function removeRuns(folders: readonly string[], root: string, nowMs: number): Promise<Removed> {
  assertNotTraining(folders);
  assertNotPromoted(folders, root);
  let bytes = 0;
  for (const folder of folders) {
    bytes += computeSize(folder);
    await onDisk(folder, () => remove(folder));
    await removeRunFolder(folder, root);
  }
  const latest = join(root, LATEST);
  if (linkTarget(latest) !== undefined && !existsSync(followLinks(latest))) await moveLatest(root, nowMs);
  return { paths: folders.map(shownPath), bytes };
}

/**
 * Removes checkpoints without a link such as `best` or `last` that no linked delta requires.
 * @param folders run directories
 * @param isDry whether to list checkpoints without removing them
 * @throws UserError (usage), with nothing removed, if one of the runs is being trained
 */
export async function thinCheckpoints(folders: readonly string[], isDry: boolean): Promise<Removed> {
  assertNotTraining(folders);
  const removed: string[] = [];
  let bytes = 0;
  for (const folder of folders) {
    const checkpoints = checkpointsFolder(folder);
    const linked = await listLinked(folder);
    // Without any link, nothing shows which checkpoint matters, so all are kept.
    const kept = linked.length === 0 ? await listCheckpoints(folder) : [...(await withBefore(folder, linked))];
    for (const name of (await listCheckpoints(folder)).filter((each) => !kept.includes(each))) {
      const path = join(checkpoints, name);
      bytes += computeSize(path);
      removed.push(shownPath(path));
      if (!isDry) await onDisk(path, () => remove(path));
    }
  }
  return { paths: removed, bytes };
}

function assertNotTraining(folders: readonly string[]): void {
  const running = folders.filter(isTaken);
  if (running.length > 0)
    throw new UserError(
      'usage',
      running.map((folder) => ({
        where: shownPath(folder),
        message: 'the run is being trained',
        fix: 'wait for it or stop it',
      })),
    );
}

function assertNotPromoted(folders: readonly string[], root: string): void {
  const channels = channelsByRun(root);
  const problems = folders.flatMap((folder) =>
    (channels.get(realpathSync(folder)) ?? []).map((channel) => ({
      where: shownPath(folder),
      message: `the run is in channel '${channel}'`,
      fix: `promote another run first: ${MTL} promote RUN --to ${channel}`,
    })),
  );
  if (problems.length > 0) throw new UserError('usage', problems);
}

async function moveLatest(root: string, nowMs: number): Promise<void> {
  const remaining = findRuns(root)
    .filter(hasCheckpoint)
    .map((folder) => ({ folder, startedAt: describeRun(folder, nowMs).startedAt ?? '' }))
    .sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
  const [newest] = remaining;
  if (newest === undefined) await onDisk(root, () => rm(join(root, LATEST), { force: true }));
  else await pointLatest(newest.folder, root);
}

function computeSize(path: string): number {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats?.isDirectory() !== true) return stats?.size ?? 0;
  return readdirSync(path).reduce((sum, name) => sum + computeSize(join(path, name)), 0);
}
