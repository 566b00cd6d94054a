import { existsSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { wallClockMs } from './system/clock.js';
import { diff } from './diff.js';
import type { PredictedData } from './diff/predicted-model.js';
import { decideGate, type GateOptions } from './promote/gate.js';
import { userError } from './core/errors.js';
import { pointChannel, readChannel, type Channel, type Gate } from './runs/channels.js';
import { findCheckpoint } from './runs/find-checkpoint.js';
import { isTaken } from './runs/lock.js';
import { manifestDigest } from './runs/manifest.js';
import { existingRun } from './runs/run-list.js';
import { runName, runsRoot, shownPath } from './runs/runs-root.js';
import { refuseAlarms } from './runs/stream-alarms.js';
import { MTL } from './system/command-name.js';

/** Maximum number of comparisons if the channel changes during each. */
const MAX_ROUNDS = 5;

export interface PromoteOptions extends PredictedData {
  /** Undefined for the previous run of the channel. */
  readonly run: string | undefined;
  readonly to: string;
  /** Whether to promote a run of a stream whose last window has alarms. Default: false. */
  readonly ignoreAlarms?: boolean | undefined;
  /** Whether to promote a run that was trained on rows of the comparison. Default: false. */
  readonly allowTrainingRows?: boolean | undefined;
  /** Undefined to promote without a comparison. */
  readonly gate: GateOptions | undefined;
}

/** Outcome of a promotion; JSON. */
export interface PromoteResult {
  readonly channel: string;
  /** Path of the link. */
  readonly path: string;
  readonly run: string;
  /** The run that the channel pointed to; null if none. */
  readonly over: string | null;
  /** Whether the channel now points to `run`. */
  readonly isPromoted: boolean;
  /** `present`: the channel already pointed to the run; `trainingRows`: it was trained on rows of the comparison. */
  readonly reason: 'first' | 'better' | 'notBetter' | 'trainingRows' | 'ungated' | 'previous' | 'present';
  /** Null if nothing was compared. */
  readonly gate: Gate | null;
}

/**
 * Points a channel at a run. Promotes at once if the channel is empty or there is no gate. With a gate, promotes if the
 * interval of the difference shows that the run is better than the present one. If another promotion changes the
 * channel during the comparison, compares again with its new run.
 * @throws UserError (usage), (data), (checkpoint), (disk); a run that is not better is not an error
 */
export async function promote({
  run,
  to,
  gate,
  ignoreAlarms,
  allowTrainingRows,
  ...comparison
}: PromoteOptions): Promise<PromoteResult> {
  const root = runsRoot();
  const namedRun = run === undefined ? undefined : existingRun(run);
  for (let round = 1; round <= MAX_ROUNDS; round++) {
    const channel = readChannel(to, root);
    const candidate = namedRun ?? previousRun(channel, root);
    const result = await decide(channel, candidate, root, {
      run,
      to,
      gate,
      ignoreAlarms,
      allowTrainingRows,
      ...comparison,
    });
    if (!result.isPromoted || result.reason === 'present') return result;
    if (await record(channel, candidate, root, result, comparison.onWarning)) return result;
    comparison.onWarning(`${channel.path}: another mtl promote changed the channel; comparing again`);
  }
  throw userError('usage', {
    where: `--to ${to}`,
    message: `the channel changed during each of ${MAX_ROUNDS} comparisons`,
    fix: 'stop the other mtl promote and try again',
  });
}

async function decide(
  channel: Channel,
  candidate: string,
  root: string,
  { run, gate: options, ignoreAlarms = false, allowTrainingRows = false, ...comparison }: PromoteOptions,
): Promise<PromoteResult> {
  const present = channel.run === null ? null : join(root, channel.run);
  const facts = {
    channel: channel.name,
    path: channel.path,
    run: shownPath(candidate),
    over: present === null ? null : shownPath(present),
    gate: null,
  };
  if (isTaken(candidate))
    throw userError('usage', { where: facts.run, message: 'the run is being trained', fix: 'wait for it or stop it' });
  const presentExists = present !== null && existsSync(present);
  if (presentExists && realpathSync(present) === candidate) return { ...facts, isPromoted: true, reason: 'present' };
  // The channel had its previous run already.
  if (run !== undefined && !ignoreAlarms) await refuseAlarms(candidate);
  if (present === null) return { ...facts, isPromoted: true, reason: 'first' };
  if (options === undefined) return { ...facts, isPromoted: true, reason: run === undefined ? 'previous' : 'ungated' };
  if (!presentExists)
    throw userError('checkpoint', {
      where: channel.path,
      message: `the channel points to ${channel.target}, which does not exist`,
      fix: 'promote without --if-better or name another run',
    });
  const comparisonResult = await diff({
    paths: [present, candidate],
    isRecorded: false,
    confidence: options.confidence,
    ...comparison,
  });
  const { gate, isBetter } = decideGate(comparisonResult, comparison.data, options);
  if (comparisonResult.trainingRows.b !== null && !allowTrainingRows)
    return { ...facts, isPromoted: false, reason: 'trainingRows', gate };
  return { ...facts, isPromoted: isBetter, reason: isBetter ? 'better' : 'notBetter', gate };
}

/** Points the channel and records the promotion; returns false if the channel changed in the meantime. */
async function record(
  channel: Channel,
  candidate: string,
  root: string,
  { reason, gate }: PromoteResult,
  onWarning: (warning: string) => void,
): Promise<boolean> {
  if (reason === 'present' || reason === 'notBetter' || reason === 'trainingRows') throw new Error('nothing to record');
  const checkpoint = realpathSync(findCheckpoint(candidate));
  const run = runName(candidate, root);
  const time = new Date(wallClockMs()).toISOString();
  return pointChannel(
    channel.name,
    root,
    channel.target,
    {
      time,
      run,
      over: channel.run,
      reason,
      checkpoint: basename(checkpoint),
      sha256: await manifestDigest(checkpoint),
      gate,
    },
    onWarning,
  );
}

function previousRun({ name, path, run, previous }: Channel, root: string): string {
  const fix = `name a run: ${MTL} promote RUN --to ${name}`;
  if (previous === null)
    throw userError('usage', {
      where: path,
      message: run === null ? 'the channel has no run' : `the channel has no run before ${shownPath(join(root, run))}`,
      fix,
    });
  const folder = join(root, previous);
  if (!existsSync(folder))
    throw userError('usage', { where: path, message: `the previous run ${shownPath(folder)} does not exist`, fix });
  return realpathSync(folder);
}
