import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../errors.js';
import { RESULTS } from '../runs/run-log.js';
import { readSummary } from '../runs/summary.js';
import type { TrainResult } from '../training/observer.js';
import { runFolderOf, settingsOf, type Study } from './study.js';
import { meanOf, type Trial, type TrialResult, type TrialRun } from './trial.js';

/** Trains a run of a trial, or goes on with it. */
export type TrainRun = (request: {
  /** Texts of `--set`. */
  readonly settings: readonly string[];
  readonly folder: string;
  readonly signal: AbortSignal;
}) => Promise<TrainResult>;

/** What says that a point is no good, and not that nothing can be trained here. */
const OF_THE_POINT: ReadonlySet<string> = new Set(['config', 'diverged']);

/**
 * Trains the runs of a trial, one after the other; those that were trained before are not trained again.
 * @returns undefined where it was told to end: what there is is saved
 * @throws UserError where the disk, the data or the machine refuse
 */
export async function runTrial(study: Study, { number, point }: Pick<Trial, 'number' | 'point'>, train: TrainRun, signal: AbortSignal): Promise<TrialResult | undefined> {
  const runs: TrialRun[] = [];
  for (const seed of study.seeds) {
    const run = runFolderOf(number, seed);
    const folder = join(study.folder, run);
    try {
      const before = existsSync(join(folder, RESULTS)) ? readSummary(folder) : undefined;
      const result = before ?? (await train({ settings: settingsOf(study, point, seed), folder, signal }));
      if (result.end === 'interrupted') return undefined;
      runs.push(trialRun(run, seed, result));
    } catch (error) {
      if (signal.aborted && error === signal.reason) return undefined;
      if (!(error instanceof UserError) || !OF_THE_POINT.has(error.kind)) throw error;
      return { end: 'failed', value: null, deviation: null, message: error.message, runs };
    }
  }
  const values = runs.flatMap(({ value }) => (value === null ? [] : [value]));
  if (values.length < runs.length) return { end: 'failed', value: null, deviation: null, message: `${study.options.metric} is not defined on valid: it has one class alone`, runs };
  return { end: 'finished', ...meanOf(values), runs };
}

function trialRun(run: string, seed: number, { monitored, bestEpoch, epochs, elapsedMs, metrics }: TrainResult): TrialRun {
  const flat = Object.entries(metrics).flatMap(([split, report]) =>
    Object.entries(report).flatMap(([space, values]) => Object.entries(values).flatMap(([metric, value]) => (typeof value === 'number' ? [[`${split}.${space}.${metric}`, value] as const] : []))),
  );
  return { seed, run, value: monitored, bestEpoch, epochs, elapsedMs, metrics: Object.fromEntries(flat) };
}
