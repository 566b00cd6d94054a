import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { userError } from '../core/errors.js';
import type { Report } from '../evaluation/evaluation.js';
import { checkpointsFolder } from './checkpoint.js';
import { isTaken } from './lock.js';
import { readMetricLines, trainedIn } from './metric-lines.js';
import { ENVIRONMENT } from './init-from.js';
import { missingRun } from './run-folder.js';
import { LOG, OVERRIDES, RESOLVED, RESULTS, SOURCE } from './run-log.js';
import { runPath, shownPath } from './runs-root.js';
import { readSummary } from './summary.js';

/**
 * Whether a run is trained now, or how it ended: as it was meant to, by a signal, with an error, or without a word, as
 * after a kill.
 */
export type RunStateName = 'running' | 'completed' | 'stopped' | 'failed' | 'killed';

/** A run, as far as its folder tells; JSON. */
export interface ListedRun {
  readonly run: string;
  readonly state: RunStateName;
  readonly model: string | null;
  /** Name of the shared layers below the model's towers; null if it has none, or is these layers. */
  readonly bottom: string | null;
  readonly seed: number | null;
  /** What was set for it, `--set` texts. */
  readonly changes: readonly string[];
  readonly startedAt: string | null;
  /** Whole epochs that are behind, of those that it may have. */
  readonly epoch: number;
  readonly epochs: number | null;
  readonly step: number;
  /** Of a run that is trained now: the time to its last step, if it does not stop early. */
  readonly leftMs: number | null;
  readonly bestEpoch: number | null;
  /** What chooses the best epoch, and its best value so far. */
  readonly monitor: string | null;
  readonly monitored: number | null;
  /** Of training alone. */
  readonly elapsedMs: number;
  readonly rowsPerSecond: number | null;
  /** By split, of the best weights so far. */
  readonly metrics: Readonly<Record<string, Report>>;
}

/**
 * Returns the directory of a run that a path names, with links followed.
 * @throws UserError (usage) if it is none
 */
export function existingRun(named: string): string {
  const path = runPath(named);
  if (existsSync(join(path, SOURCE))) return realpathSync(path);
  const { message } = missingRun(path);
  const problem =
    findRuns(path).length > 0
      ? 'is a folder of runs, and no run'
      : existsSync(path)
        ? `is no run: it holds no ${SOURCE}`
        : message;
  throw userError('usage', { where: named, message: problem, fix: 'mtl runs lists those that there are' });
}

/** Folders below each other in which runs are looked for. */
const DEPTH = 5;

/** The folders of all runs below one, each of which holds the config that it was started with. */
export function findRuns(root: string, depth = DEPTH): readonly string[] {
  if (!existsSync(root)) return [];
  if (existsSync(join(root, SOURCE))) return [root];
  const below =
    depth === 0
      ? []
      : readdirSync(root, { withFileTypes: true }).filter(
          (entry) => entry.isDirectory() && !entry.name.startsWith('.'),
        );
  return below.flatMap((entry) => findRuns(join(root, entry.name), depth - 1));
}

/** What the folder of a run tells of it. A file of it that is damaged tells nothing. */
export function describeRun(folder: string, nowMs: number): ListedRun {
  const { milestones, steps, results } = readMetricLines(folder);
  const events = readEvents(folder);
  const start = events.findLast(({ event }) => event === 'start');
  const summary = orUndefined(() => readSummary(folder));
  const last = milestones.at(-1);
  const behind = trainedIn(milestones);
  const step = Math.max(summary?.steps ?? 0, last?.step ?? 0, steps.at(-1)?.step ?? 0);
  const state = stateOf(folder, summary?.end, events.at(-1)?.event);
  const best = milestones.findLast(({ isBest }) => isBest);
  const rate =
    step === 0 || start === undefined
      ? undefined
      : rateOf({
          step,
          startedMs: Date.parse(start.time),
          nowMs,
          behind: { ...behind, step: milestones.findLast(({ isEpochEnd }) => isEpochEnd !== false)?.step ?? 0 },
        });
  const total =
    start?.epochs === undefined || start.epochSteps === undefined ? undefined : start.epochs * start.epochSteps;
  return {
    run: shownPath(folder),
    state,
    model: summary?.model ?? start?.model ?? null,
    bottom: bottomOf(folder),
    seed: summary?.seed ?? null,
    changes: summary?.changes ?? linesOf(join(folder, OVERRIDES)),
    startedAt: startOf(folder),
    epoch: summary?.epochs ?? milestones.filter(({ isEpochEnd }) => isEpochEnd !== false).length,
    epochs: start?.epochs ?? null,
    step,
    leftMs:
      state === 'running' && rate !== undefined && total !== undefined
        ? Math.round(rate * Math.max(0, total - step))
        : null,
    bestEpoch: summary?.bestEpoch ?? results?.bestEpoch ?? best?.epoch ?? null,
    monitor: summary?.monitor ?? null,
    monitored: summary?.monitored ?? null,
    elapsedMs: summary?.elapsedMs ?? behind.elapsedMs,
    rowsPerSecond:
      summary?.rowsPerSecond ?? (behind.elapsedMs === 0 ? null : Math.round((1000 * behind.rows) / behind.elapsedMs)),
    // A run that was stopped has a summary, and measured nothing at its end.
    metrics:
      [summary?.metrics, results?.metrics].find(
        (metrics) => metrics !== undefined && Object.keys(metrics).length > 0,
      ) ?? (best?.valid === undefined ? {} : { valid: best.valid.metrics }),
  };
}

const modelSchema = z.looseObject({ model: z.looseObject({ bottom: z.looseObject({ name: z.string() }) }) });

function bottomOf(folder: string): string | null {
  const path = join(folder, RESOLVED);
  // Parsing the whole config would take most of the time of a list.
  const [section] = /^model:(?:\n .*)+/m.exec(existsSync(path) ? readFileSync(path, 'utf8') : '') ?? [];
  const name =
    section === undefined ? undefined : orUndefined(() => modelSchema.parse(parse(section)).model.bottom.name);
  return name === undefined || name === 'none' ? null : name;
}

function stateOf(folder: string, end: string | undefined, lastEvent: string | undefined): RunStateName {
  if (isTaken(folder)) return 'running';
  if (existsSync(join(folder, RESULTS))) return 'completed';
  if (end !== undefined) return 'stopped';
  return lastEvent === 'failure' ? 'failed' : 'killed';
}

/** Milliseconds of a step: of the epochs that are behind, else of the time since the first one. */
function rateOf({
  step,
  startedMs,
  nowMs,
  behind,
}: {
  readonly step: number;
  readonly startedMs: number;
  readonly nowMs: number;
  readonly behind: { readonly elapsedMs: number; readonly step: number };
}): number {
  return behind.step > 0 ? behind.elapsedMs / behind.step : (nowMs - startedMs) / step;
}

/** An event of the log, as far as it is looked at. */
export interface LogEvent {
  readonly event: string;
  readonly time: string;
  readonly model?: string;
  readonly epochs?: number;
  readonly epochSteps?: number;
  readonly engine?: string;
  /** Of a warning. */
  readonly text?: string;
  readonly numWeights?: number;
  readonly numTableWeights?: number;
  readonly weightBytes?: number;
  readonly optimizerBytes?: number;
}

/** The events of a run's log; a line that is cut short is left out. */
export function readEvents(folder: string): readonly LogEvent[] {
  return linesOf(join(folder, LOG)).flatMap((line) => {
    const event = orUndefined(() => JSON.parse(line) as LogEvent);
    return event === undefined ? [] : [event];
  });
}

function startOf(folder: string): string | null {
  const path = join(folder, ENVIRONMENT);
  const written = existsSync(path)
    ? orUndefined(() => (JSON.parse(readFileSync(path, 'utf8')) as { startedAt?: string }).startedAt)
    : undefined;
  return written ?? statSync(join(folder, SOURCE), { throwIfNoEntry: false })?.mtime.toISOString() ?? null;
}

function linesOf(path: string): readonly string[] {
  return existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
    : [];
}

function orUndefined<Found>(read: () => Found): Found | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Whether a run has anything to go on from. */
export function hasCheckpoint(folder: string): boolean {
  return existsSync(checkpointsFolder(folder));
}
