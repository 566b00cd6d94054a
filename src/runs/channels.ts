import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { z } from 'zod';
import { makeFolder, onDisk, writeFileAtomic } from '../io/disk.js';
import { followLinks, linkTarget, pointLink } from '../io/links.js';
import { withSlashes } from '../io/slashes.js';
import { UserError, userError } from '../core/errors.js';
import { liveFiguresSchema } from './live-figures.js';
import { LOCK, lockRun, type RunLock } from './lock.js';
import { CHANNELS } from './run-folder.js';
import { shownPath } from './runs-root.js';

// A channel is a link to a run, `runs/channels/NAME`, that only `mtl promote` moves. The link is authoritative. Its
// history, `NAME.jsonl`, is written after it, so the next promotion records one that was killed in between.

/** No dots, so that no channel collides with a history or the lock. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
/** End of the file name of a history. */
const HISTORY = '.jsonl';
/** A promotion holds the lock for a few milliseconds. */
const MAX_ATTEMPTS = 50;
const RETRY_MS = 100;

const gateSchema = z.strictObject({
  /** Text such as `ctcvr.auc`. */
  metric: z.string(),
  goal: z.enum(['higher', 'lower']),
  confidence: z.number(),
  /** Minimum improvement, in units of the metric. */
  margin: z.number(),
  /** Files that replaced the data of the configs; null for their own split. */
  data: z.array(z.string()).nullable(),
  /** Split of the configs; `live` for requests that a server answered. */
  split: z.string(),
  rows: z.number(),
  present: z.number(),
  candidate: z.number(),
  /** candidate − present, with its interval. */
  difference: z.number(),
  low: z.number(),
  high: z.number(),
});
/** Comparison of a candidate with the present run; JSON. */
export type Gate = z.output<typeof gateSchema>;

const promotionSchema = z.strictObject({
  time: z.string(),
  /** Run directory, relative to the directory of all runs. */
  run: z.string(),
  /** The run that it replaced; null for the first one. */
  over: z.string().nullable(),
  /** `rejected`: the channel kept `over`, since live requests showed that `run` is worse. */
  reason: z.enum(['first', 'better', 'ungated', 'previous', 'unrecorded', 'rejected']),
  /** Name and manifest SHA-256 of the best checkpoint; null if unknown. */
  checkpoint: z.string().nullable(),
  sha256: z.string().nullable(),
  gate: gateSchema.nullable(),
  /** All figures of a decision by live requests. */
  live: liveFiguresSchema.optional(),
});
/** A line of a channel's history. */
export type Promotion = z.output<typeof promotionSchema>;

/** A channel as stored on disk. */
export interface Channel {
  readonly name: string;
  /** Path of the link, for messages. */
  readonly path: string;
  /** Target of the link; undefined if the link does not exist. */
  readonly target: string | undefined;
  /** The run that it points to, relative to the directory of all runs; null if none. */
  readonly run: string | null;
  /** The run before that, relative to the directory of all runs; null if none. */
  readonly previous: string | null;
}

/**
 * Reads a channel.
 * @param root directory of all runs
 * @throws UserError (usage) if the name is invalid or its path is not a link
 */
export function readChannel(name: string, root: string): Channel {
  if (!NAME.test(name))
    throw userError('usage', {
      where: `--to ${name}`,
      message: 'invalid channel name; expected at most 64 letters, digits, - and _',
      fix: 'write --to prod',
    });
  const link = join(root, CHANNELS, name);
  const target = linkTarget(link);
  if (target === undefined && existsSync(link))
    throw userError('usage', {
      where: shownPath(link),
      message: 'the path exists and is not a link',
      fix: 'remove it or choose another channel',
    });
  const run = target === undefined ? null : withSlashes(findTarget(link, target, root));
  const last = readHistory(name, root).findLast(isPromotion);
  return { name, path: shownPath(link), target, run, previous: (last?.run === run ? last.over : last?.run) ?? null };
}

/** Returns the name of the channel that a path is, such as `runs/channels/prod`; undefined for another path. */
export function findChannelName(path: string, root: string): string | undefined {
  const [folder, name] = [dirname(resolve(path)), basename(path)];
  const channels = join(root, CHANNELS);
  if (!existsSync(folder) || !existsSync(channels) || realpathSync(folder) !== realpathSync(channels)) return undefined;
  return NAME.test(name) && linkTarget(join(folder, name)) !== undefined ? name : undefined;
}

/** Returns the run that a link points to, relative to the directory of all runs. */
function findTarget(link: string, target: string, root: string): string {
  const followed = followLinks(link);
  return existsSync(followed)
    ? relative(realpathSync(root), realpathSync(followed))
    : relative(root, resolve(dirname(link), target));
}

/** Maps the real path of each promoted run to the names of its channels. */
export function channelsByRun(root: string): ReadonlyMap<string, readonly string[]> {
  const folder = join(root, CHANNELS);
  const channels = new Map<string, readonly string[]>();
  for (const name of existsSync(folder) ? readdirSync(folder).sort() : []) {
    const link = join(folder, name);
    if (!NAME.test(name) || linkTarget(link) === undefined) continue;
    const followed = followLinks(link);
    if (!existsSync(followed)) continue;
    const run = realpathSync(followed);
    channels.set(run, [...(channels.get(run) ?? []), name]);
  }
  return channels;
}

/**
 * Points a channel at a run and records the promotion, unless the channel changed since the caller read it.
 * @param expected link target that the caller read; undefined if there was none
 * @param promotion record whose `run` the channel points to afterward
 * @param onWarning called if the lock of another container has to be watched
 * @returns false, with nothing changed, if the channel changed
 * @throws UserError (disk); (usage) if another process holds the lock
 */
export async function pointChannel(
  name: string,
  root: string,
  expected: string | undefined,
  promotion: Promotion,
  onWarning: (warning: string) => void,
): Promise<boolean> {
  const folder = join(root, CHANNELS);
  const link = join(folder, name);
  await onDisk(folder, () => makeFolder(folder));
  const lock = await lockChannels(folder, onWarning);
  try {
    if (linkTarget(link) !== expected) return false;
    const { run } = readChannel(name, root);
    const history = readHistory(name, root);
    const last = history.findLast(isPromotion);
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
    await writeHistory(name, root, records);
    return true;
  } finally {
    await lock.release();
  }
}

/**
 * Records that a run was rejected for a channel, which does not change.
 * @throws UserError (disk); (usage) if another process holds the lock
 */
export async function recordRejection(
  name: string,
  root: string,
  rejection: Promotion,
  onWarning: (warning: string) => void,
): Promise<void> {
  const lock = await lockChannels(join(root, CHANNELS), onWarning);
  try {
    await writeHistory(name, root, [...readHistory(name, root), rejection]);
  } finally {
    await lock.release();
  }
}

/** Finds the record of a run that was rejected since the last promotion of a channel. */
export function findRejection(name: string, root: string, run: string): Promotion | undefined {
  const history = readHistory(name, root);
  return history.slice(history.findLastIndex(isPromotion) + 1).findLast((record) => record.run === run);
}

/** A promotion or rejection by live requests. */
export interface LiveDecision extends Promotion {
  readonly channel: string;
}

/** Lists the decisions by live requests of all channels, oldest first. */
export function listLiveDecisions(root: string): readonly LiveDecision[] {
  const folder = join(root, CHANNELS);
  const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith(HISTORY)) : [];
  return files
    .map((file) => basename(file, HISTORY))
    .flatMap((channel) => readHistory(channel, root).map((record) => ({ ...record, channel })))
    .filter(({ gate }) => gate?.split === 'live')
    .sort((a, b) => (a.time < b.time ? -1 : 1));
}

/** Returns what a decision did to its run. */
export function nameDecision({ reason }: Promotion): 'promoted' | 'rejected' {
  return reason === 'rejected' ? 'rejected' : 'promoted';
}

/** Whether the channel pointed to the run of a record. */
const isPromotion = ({ reason }: Promotion): boolean => reason !== 'rejected';

async function lockChannels(folder: string, onWarning: (warning: string) => void): Promise<RunLock> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await lockRun(folder, onWarning);
    } catch (error) {
      if (!(error instanceof UserError) || error.kind !== 'usage') throw error;
      const lock = join(shownPath(folder), LOCK);
      const problem = {
        where: lock,
        message: 'another mtl promote holds the lock',
        fix: `wait for it; if none is running, remove ${lock}`,
      };
      if (attempt === MAX_ATTEMPTS) throw userError('usage', problem, error);
      await setTimeout(RETRY_MS);
    }
  }
}

function writeHistory(name: string, root: string, records: readonly Promotion[]): Promise<void> {
  return writeFileAtomic(historyPath(name, root), records.map((record) => `${JSON.stringify(record)}\n`).join(''));
}

function historyPath(name: string, root: string): string {
  return join(root, CHANNELS, `${name}${HISTORY}`);
}

/** Reads the records of a channel, in order; skips lines that do not parse. */
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
