import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../core/errors.js';
import { RESULTS } from '../runs/run-log.js';
import { readSummary } from '../runs/summary.js';
import type { TrainResult } from '../training/observer.js';
import { formatRunFolder, listSettings, type Study } from './study.js';
import { computeMean, type Trial, type TrialResult, type TrialRun } from './trial.js';

/** Trains or resumes one run of a trial. */
export type TrainRun = (request: {
  /** Values of the option `--set`. */
  readonly settings: readonly string[];
  readonly folder: string;
  readonly signal: AbortSignal;
  /** Called with the monitored metric at the end of each epoch, before the next begins. */
  onEpoch(epoch: number, value: number | null): Promise<void>;
}) => Promise<TrainResult>;

/** Error kinds that a bad point causes, so that the trial fails and the study continues. */
const POINT_ERRORS: ReadonlySet<string> = new Set(['config', 'diverged']);

/**
 * Trains the runs of a trial one after the other, without those that are completed. If the trial is stopped at a rung,
 * the first run is saved and ends as after a signal, and the others do not start.
 * @param shouldStop decides after an epoch of the first run whether to stop the trial
 * @returns undefined if the worker was asked to stop; the runs are saved
 * @throws UserError for an error of the disk, the data or the machine
 */
export async function runTrial(
  study: Study,
  { number, point }: Pick<Trial, 'number' | 'point'>,
  train: TrainRun,
  shouldStop: (epoch: number, value: number) => Promise<boolean>,
  signal: AbortSignal,
): Promise<TrialResult | undefined> {
  const rung = new AbortController();
  const stopSignal = AbortSignal.any([signal, rung.signal]);
  const runs: TrialRun[] = [];
  for (const [i, seed] of study.seeds.entries()) {
    const run = formatRunFolder(number, seed);
    const folder = join(study.folder, run);
    try {
      const result =
        readCompleted(folder) ??
        (await train({
          settings: listSettings(study, point, seed),
          folder,
          signal: stopSignal,
          async onEpoch(epoch, value) {
            if (i === 0 && value !== null && (await shouldStop(epoch, value)))
              rung.abort(new Error('stopped by successive halving'));
          },
        }));
      if (result.end === 'interrupted' && !rung.signal.aborted) return undefined;
      runs.push(toTrialRun(run, seed, result));
      if (result.end === 'interrupted') break;
    } catch (error) {
      if (signal.aborted && error === signal.reason) return undefined;
      if (!(error instanceof UserError) || !POINT_ERRORS.has(error.kind)) throw error;
      return { end: 'failed', value: null, deviation: null, message: error.message, runs };
    }
  }
  const values = runs.flatMap(({ value }) => (value === null ? [] : [value]));
  if (values.length < runs.length)
    return {
      end: 'failed',
      value: null,
      deviation: null,
      message: `${study.options.metric} is undefined, because the validation set has a single class`,
      runs,
    };
  return { end: rung.signal.aborted ? 'stopped' : 'finished', ...computeMean(values), runs };
}

/** Reads the result of a run; undefined if the run has to be resumed. */
function readCompleted(folder: string): TrainResult | undefined {
  const summary = existsSync(join(folder, RESULTS)) ? readSummary(folder) : undefined;
  return summary?.end === 'interrupted' ? undefined : summary;
}

function toTrialRun(
  run: string,
  seed: number,
  { monitored, bestEpoch, epochs, elapsedMs, metrics }: TrainResult,
): TrialRun {
  const flat = Object.entries(metrics).flatMap(([split, report]) =>
    Object.entries(report).flatMap(([space, values]) =>
      Object.entries(values).flatMap(([metric, value]) =>
        typeof value === 'number' ? [[`${split}.${space}.${metric}`, value] as const] : [],
      ),
    ),
  );
  return { seed, run, value: monitored, bestEpoch, epochs, elapsedMs, metrics: Object.fromEntries(flat) };
}
