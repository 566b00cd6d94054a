import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { userError } from '../core/errors.js';
import type { Report } from '../evaluation/evaluation.js';
import type { Baseline } from '../training/observer.js';
import { checkpointsFolder } from './retention.js';
import { isTaken } from './lock.js';
import { readMetricLines, trainedIn, type MilestoneLine } from './metric-lines.js';
import { ENVIRONMENT } from './init-from.js';
import { missingRun } from './run-folder.js';
import { LOG, OVERRIDES, RESOLVED, RESULTS, SOURCE } from './run-log.js';
import { runPath, shownPath } from './runs-root.js';
import { readSummary } from './summary.js';
import { MTL } from '../system/command-name.js';

/** State of a run: being trained, completed, stopped by a signal, failed with an error, or killed without a trace. */
export type RunStateName = 'running' | 'completed' | 'stopped' | 'failed' | 'killed';

/** A run as described by its files; JSON. */
export interface ListedRun {
  readonly run: string;
  readonly state: RunStateName;
  readonly model: string | null;
  /** Name of the shared layers below the model's towers; null if it has none or consists of them. */
  readonly bottom: string | null;
  readonly seed: number | null;
  /** Values of the option `--set`. */
  readonly changes: readonly string[];
  readonly startedAt: string | null;
  /** Completed epochs, and the maximum number of epochs. */
  readonly epoch: number;
  readonly epochs: number | null;
  /** Records of the completed windows of a stream; null for a run on epochs. */
  readonly records: number | null;
  readonly step: number;
  /** Estimated time to the last step, without early stopping; null unless the run is being trained. */
  readonly leftMs: number | null;
  /** Training loss since the last log entry but one; null before the first entry. */
  readonly loss: number | null;
  readonly bestEpoch: number | null;
  /** Metric that selects the best epoch, and its best value so far. */
  readonly monitor: string | null;
  readonly monitored: number | null;
  /** Training time, without validation. */
  readonly elapsedMs: number;
  readonly rowsPerSecond: number | null;
  /** Reports by split, for the best weights so far. */
  readonly metrics: Readonly<Record<string, Report>>;
  /** The baseline that was trained next to it; null if there is none. */
  readonly baseline: Baseline | null;
  /** Alarms of the last window of a stream. */
  readonly alarms: readonly string[];
}

/**
 * Resolves a path to a run directory, with links followed.
 * @throws UserError (usage) if it is not a run
 */
export function existingRun(named: string): string {
  const path = runPath(named);
  if (existsSync(join(path, SOURCE))) return realpathSync(path);
  const { message } = missingRun(path);
  const problem =
    findRuns(path).length > 0
      ? 'the directory contains runs but is not a run'
      : existsSync(path)
        ? `not a run: it has no ${SOURCE}`
        : message;
  throw userError('usage', { where: named, message: problem, fix: `list all runs with ${MTL} runs` });
}

/** Finds the newest completed run of the same config name that started before a run; undefined if there is none. */
export function findPreviousRun(folder: string): string | undefined {
  const getName = (run: string): string | undefined => tryRead(() => readSummary(run))?.name;
  const [name, startedAt] = [getName(folder), readStartTime(folder)];
  if (name === undefined || startedAt === null) return undefined;
  return findRuns(dirname(folder), 1)
    .map((run) => ({ run, at: readStartTime(run) ?? '' }))
    .filter(({ at }) => at < startedAt)
    .sort((a, b) => (a.at < b.at ? 1 : -1))
    .find(({ run }) => existsSync(join(run, RESULTS)) && getName(run) === name)?.run;
}

/** Maximum directory depth of the search for runs. */
const DEPTH = 5;

/** Lists the directories of all runs below a directory; each contains its source config. */
export function findRuns(root: string, depth = DEPTH): readonly string[] {
  if (!existsSync(root)) return [];
  if (existsSync(join(root, SOURCE))) return [root];
  const subfolders =
    depth === 0
      ? []
      : readdirSync(root, { withFileTypes: true }).filter(
          (entry) => entry.isDirectory() && !entry.name.startsWith('.'),
        );
  return subfolders.flatMap((entry) => findRuns(join(root, entry.name), depth - 1));
}

/** Reads the state of a run from its files; damaged files are ignored. */
export function describeRun(folder: string, nowMs: number): ListedRun {
  const { milestones, steps, windows, results } = readMetricLines(folder);
  const events = readEvents(folder);
  const start = events.findLast(({ event }) => event === 'start');
  const summary = tryRead(() => readSummary(folder));
  const last = milestones.at(-1);
  const completed = trainedIn(milestones);
  const step = Math.max(summary?.steps ?? 0, last?.step ?? 0, steps.at(-1)?.step ?? 0);
  const state = determineState(folder, summary?.end, events.at(-1)?.event);
  const best = milestones.findLast(({ isBest }) => isBest);
  const msPerStep =
    step === 0 || start === undefined
      ? undefined
      : estimateStepMs({
          step,
          startedMs: Date.parse(start.time),
          nowMs,
          completed: { ...completed, step: milestones.findLast(({ isEpochEnd }) => isEpochEnd !== false)?.step ?? 0 },
        });
  const monitor = summary?.monitor ?? start?.monitor ?? null;
  const total =
    start?.epochs === undefined || start.epochSteps === undefined ? undefined : start.epochs * start.epochSteps;
  return {
    run: shownPath(folder),
    state,
    model: summary?.model ?? start?.model ?? null,
    bottom: readBottomName(folder, summary?.model ?? start?.model),
    seed: summary?.seed ?? null,
    changes: summary?.changes ?? readLines(join(folder, OVERRIDES)),
    startedAt: readStartTime(folder),
    epoch: summary?.epochs ?? milestones.filter(({ isEpochEnd }) => isEpochEnd !== false).length,
    epochs: start?.epochs ?? null,
    records:
      start === undefined || start.epochs !== undefined ? null : windows.reduce((sum, { records }) => sum + records, 0),
    step,
    leftMs:
      state === 'running' && msPerStep !== undefined && total !== undefined
        ? Math.round(msPerStep * Math.max(0, total - step))
        : null,
    loss: (steps.at(-1) ?? last)?.train.loss ?? null,
    bestEpoch: summary?.bestEpoch ?? results?.bestEpoch ?? best?.epoch ?? null,
    monitor,
    monitored: summary?.monitored ?? readMonitored(best, monitor),
    elapsedMs: summary?.elapsedMs ?? windows.at(-1)?.elapsedMs ?? completed.elapsedMs,
    rowsPerSecond:
      summary?.rowsPerSecond ??
      (completed.elapsedMs === 0 ? null : Math.round((1000 * completed.rows) / completed.elapsedMs)),
    // A stopped run has a summary without final metrics.
    metrics:
      [summary?.metrics, results?.metrics].find(
        (metrics) => metrics !== undefined && Object.keys(metrics).length > 0,
      ) ?? (best?.valid === undefined ? {} : { valid: best.valid.metrics }),
    baseline: summary?.baseline ?? null,
    alarms: windows.at(-1)?.alarms ?? [],
  };
}

/** Returns the value of a metric such as `ctcvr.auc`, or of the loss, in a validation; null if it has none. */
function readMonitored(milestone: MilestoneLine | undefined, monitor: string | null): number | null {
  if (milestone?.valid === undefined || monitor === null) return null;
  if (monitor === 'loss') return milestone.valid.loss;
  const end = monitor.lastIndexOf('.');
  const value = milestone.valid.metrics[monitor.slice(0, end)]?.[monitor.slice(end + 1)];
  return typeof value === 'number' ? value : null;
}

const modelSchema = z.looseObject({
  model: z.looseObject({ name: z.string(), bottom: z.looseObject({ name: z.string() }) }),
});

/** Reads the bottom of a config's model; null if the run has another model, such as trees. */
function readBottomName(folder: string, runModel: string | undefined): string | null {
  const path = join(folder, RESOLVED);
  // Parsing the whole config would dominate the time of a listing.
  const [section] = /^model:(?:\n .*)+/m.exec(existsSync(path) ? readFileSync(path, 'utf8') : '') ?? [];
  const model = section === undefined ? undefined : tryRead(() => modelSchema.parse(parse(section)).model);
  if (model === undefined || model.bottom.name === 'none' || model.name !== (runModel ?? model.name)) return null;
  return model.bottom.name;
}

function determineState(folder: string, end: string | undefined, lastEvent: string | undefined): RunStateName {
  if (isTaken(folder)) return 'running';
  if (existsSync(join(folder, RESULTS))) return 'completed';
  if (end !== undefined) return 'stopped';
  return lastEvent === 'failure' ? 'failed' : 'killed';
}

/** Returns milliseconds per step: from completed epochs if there are any, else from the time since the start. */
function estimateStepMs({
  step,
  startedMs,
  nowMs,
  completed: completed,
}: {
  readonly step: number;
  readonly startedMs: number;
  readonly nowMs: number;
  readonly completed: { readonly elapsedMs: number; readonly step: number };
}): number {
  return completed.step > 0 ? completed.elapsedMs / completed.step : (nowMs - startedMs) / step;
}

/** An event of the log, with the fields that are read. */
export interface LogEvent {
  readonly event: string;
  readonly time: string;
  readonly model?: string;
  readonly epochs?: number;
  readonly epochSteps?: number;
  readonly monitor?: string;
  readonly engine?: string;
  /** Text of a warning. */
  readonly text?: string;
  /** Error of a failure. */
  readonly err?: { readonly message: string };
  readonly numWeights?: number;
  readonly numTableWeights?: number;
  readonly weightBytes?: number;
  readonly optimizerBytes?: number;
}

/** Reads the events of a run's log; skips invalid lines. */
export function readEvents(folder: string): readonly LogEvent[] {
  return readLines(join(folder, LOG)).flatMap((line) => {
    const event = tryRead(() => JSON.parse(line) as LogEvent);
    return event === undefined ? [] : [event];
  });
}

function readStartTime(folder: string): string | null {
  const path = join(folder, ENVIRONMENT);
  const written = existsSync(path)
    ? tryRead(() => (JSON.parse(readFileSync(path, 'utf8')) as { startedAt?: string }).startedAt)
    : undefined;
  return written ?? statSync(join(folder, SOURCE), { throwIfNoEntry: false })?.mtime.toISOString() ?? null;
}

function readLines(path: string): readonly string[] {
  return existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
    : [];
}

function tryRead<Found>(read: () => Found): Found | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Reports whether a run has a checkpoints directory. */
export function hasCheckpoint(folder: string): boolean {
  return existsSync(checkpointsFolder(folder));
}
