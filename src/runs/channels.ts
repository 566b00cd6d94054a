import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { z } from 'zod';
import { makeFolder, onDisk, pointLink, writeFileAtomic } from '../io/disk.js';
import { UserError, userError } from '../core/errors.js';
import { LOCK, lockRun, type RunLock } from './lock.js';
import { CHANNELS } from './run-folder.js';
import { linkTarget, shownPath } from './runs-root.js';

// A channel is a link to a run, `runs/channels/NAME`, that only `mtl promote` moves. The link decides; its history,
// `NAME.jsonl`, is written
// after it, so a promotion that is killed in between is recorded by the next one.

/** No dots, so that no channel collides with a history or with the lock. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
/** Attempts to take the lock, which a promotion holds for some milliseconds. */
const MAX_ATTEMPTS = 50;
const RETRY_MS = 100;

const gateSchema = z.strictObject({
  /** As in `ctcvr.auc`. */
  metric: z.string(),
  goal: z.enum(['higher', 'lower']),
  confidence: z.number(),
  /** Smallest improvement, in units of the metric. */
  margin: z.number(),
  /** Files in place of the data of their configs; null for the split of these. */
  data: z.array(z.string()).nullable(),
  split: z.string(),
  rows: z.number(),
  /** Values of the present run and of the candidate. */
  present: z.number(),
  candidate: z.number(),
  /** candidate − present, and its interval. */
  difference: z.number(),
  low: z.number(),
  high: z.number(),
});
/** How a candidate compares with the present run; JSON. */
export type Gate = z.output<typeof gateSchema>;

const promotionSchema = z.strictObject({
  time: z.string(),
  /** The directory of the run, relative to that of all runs. */
  run: z.string(),
  /** The run that it replaced; null for the first one. */
  over: z.string().nullable(),
  reason: z.enum(['first', 'better', 'ungated', 'previous', 'unrecorded']),
  /** Name and SHA-256 of the manifest of the best checkpoint; null if unknown. */
  checkpoint: z.string().nullable(),
  sha256: z.string().nullable(),
  gate: gateSchema.nullable(),
});
/** A line of a channel's history. */
export type Promotion = z.output<typeof promotionSchema>;

/** A channel as it is on the disk. */
export interface Channel {
  readonly name: string;
  /** Path of the link, for people. */
  readonly path: string;
  /** Text of the link; undefined if there is none yet. */
  readonly target: string | undefined;
  /** The run that it points to, relative to the directory of all runs; null if there is none yet. */
  readonly run: string | null;
  /** The run before, relative to the directory of all runs; null if there was none. */
  readonly previous: string | null;
}

/**
 * Reads a channel.
 * @param root directory of all runs
 * @throws UserError (usage) for a name that is none
 */
export function readChannel(name: string, root: string): Channel {
  if (!NAME.test(name))
    throw userError('usage', {
      where: `--to ${name}`,
      message: 'expected the name of a channel: letters, digits, - and _ (64 at most)',
      fix: 'write --to prod',
    });
  const link = join(root, CHANNELS, name);
  const target = linkTarget(link);
  if (target === undefined && existsSync(link))
    throw userError('usage', {
      where: shownPath(link),
      message: 'is no link',
      fix: 'remove it, or choose another channel',
    });
  const run =
    target === undefined
      ? null
      : existsSync(link)
        ? relative(realpathSync(root), realpathSync(link))
        : relative(root, resolve(dirname(link), target));
  const last = readHistory(name, root).at(-1);
  return { name, path: shownPath(link), target, run, previous: (last?.run === run ? last.over : last?.run) ?? null };
}

/** Names of the channels that point to a run, by the run's real path. */
export function channelsByRun(root: string): ReadonlyMap<string, readonly string[]> {
  const folder = join(root, CHANNELS);
  const found = new Map<string, readonly string[]>();
  for (const name of existsSync(folder) ? readdirSync(folder).sort() : []) {
    const link = join(folder, name);
    if (linkTarget(link) === undefined || !existsSync(link)) continue;
    const run = realpathSync(link);
    found.set(run, [...(found.get(run) ?? []), name]);
  }
  return found;
}

/**
 * Points a channel at a run and records the promotion, if the channel still is what it was when the caller decided.
 * @param expected text of the link then; undefined for none
 * @param promotion whose `run` the channel points to afterwards
 * @param onWarning receives a warning if the lock of another container has to be watched
 * @returns false, with nothing changed, if it points elsewhere by now
 * @throws UserError (disk), or (usage) if another process holds the lock
 */
export async function pointChannel(
  name: string,
  root: string,
  expected: string | undefined,
  promotion: Promotion,
  onWarning: (notice: string) => void,
): Promise<boolean> {
  const folder = join(root, CHANNELS);
  const link = join(folder, name);
  await onDisk(folder, () => makeFolder(folder));
  const lock = await lockChannels(folder, onWarning);
  try {
    if (linkTarget(link) !== expected) return false;
    const { run } = readChannel(name, root);
    const history = readHistory(name, root);
    const last = history.at(-1);
    const unrecorded: Promotion = {
      time: promotion.time,
      run: run ?? '',
      over: last?.run ?? null,
      reason: 'unrecorded',
      checkpoint: null,
      sha256: null,
      gate: null,
    };
    await pointLink(link, relative(realpathSync(folder), realpathSync(join(root, promotion.run))));
    const records = [...history, ...(run === null || last?.run === run ? [] : [unrecorded]), promotion];
    await writeFileAtomic(historyPath(name, root), records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    return true;
  } finally {
    await lock.release();
  }
}

async function lockChannels(folder: string, onWarning: (notice: string) => void): Promise<RunLock> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await lockRun(folder, onWarning);
    } catch (error) {
      if (!(error instanceof UserError) || error.kind !== 'usage') throw error;
      const lock = join(shownPath(folder), LOCK);
      const problem = {
        where: lock,
        message: 'is held by another mtl promote',
        fix: `wait for it; if none runs, remove ${lock}`,
      };
      if (attempt === MAX_ATTEMPTS) throw userError('usage', problem, error);
      await setTimeout(RETRY_MS);
    }
  }
}

function historyPath(name: string, root: string): string {
  return join(root, CHANNELS, `${name}.jsonl`);
}

/** The promotions of a channel, in order; a line that is none is left out. */
function readHistory(name: string, root: string): readonly Promotion[] {
  const path = historyPath(name, root);
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
  return lines.flatMap((line) => {
    try {
      return [promotionSchema.parse(JSON.parse(line))];
    } catch {
      return [];
    }
  });
}
