import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Predicted, Report } from '../evaluation/evaluation.js';
import { readMetricLines, type MetricLines } from '../runs/metric-lines.js';
import { describeRun, readEvents, type ListedRun, type LogEvent } from '../runs/run-list.js';
import { readScores, type ScoreFile } from '../runs/score-file.js';

/** A value of the config, as it is shown. */
export interface Asked {
  readonly key: string;
  readonly value: string;
  /** What it is by default, where it is by default. */
  readonly byDefault: string | undefined;
}

/** All that a report tells of a run. */
export interface ReportedRun {
  /** What it is called beside others. */
  readonly name: string;
  readonly about: ListedRun;
  readonly events: readonly LogEvent[];
  readonly lines: MetricLines;
  readonly scores: ScoreFile;
  /** Cells that train did not teach: their share by field, by split. */
  readonly unknown: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** What its config says beside the defaults. */
  readonly changes: readonly Asked[];
  /** Every value of its config. */
  readonly config: ReadonlyMap<string, string>;
}

/** Reads what the folder of a run tells; what is missing or damaged is left out. */
export function readReportedRun(
  folder: string,
  name: string,
  asked: Pick<ReportedRun, 'changes' | 'config'>,
  nowMs: number,
): ReportedRun {
  return {
    name,
    about: describeRun(folder, nowMs),
    events: readEvents(folder),
    lines: readMetricLines(folder),
    scores: readScores(folder),
    unknown: unknownIn(folder),
    ...asked,
  };
}

function unknownIn(folder: string): ReportedRun['unknown'] {
  const path = join(folder, 'data.json');
  try {
    return existsSync(path)
      ? ((JSON.parse(readFileSync(path, 'utf8')) as { unknown?: ReportedRun['unknown'] }).unknown ?? {})
      : {};
  } catch {
    return {};
  }
}

/** Predictions with a name of their own in a picture. */
export interface ShownScores extends Predicted {
  readonly name: string;
}

/** Of one run test and valid, of several what each was measured on last: test, else valid. */
export function shownScores(runs: readonly ReportedRun[]): readonly ShownScores[] {
  const [only, ...others] = runs;
  if (only !== undefined && others.length === 0)
    return bySplit(only.scores).map(([split, scores]) => ({ name: split, ...scores }));
  return runs.map(({ name, scores }) => ({ name, ...(bySplit(scores)[0]?.[1] ?? { outputs: {}, segments: {} }) }));
}

/** The report of test, else of valid, of the best weights. */
export function lastReport({
  about: { metrics },
}: ReportedRun): { readonly split: string; readonly report: Report } | undefined {
  const [first] = bySplit(metrics);
  return first && { split: first[0], report: first[1] };
}

/** Test first: nothing was chosen by it. */
function bySplit<Value>(splits: Readonly<Record<string, Value>>): readonly [string, Value][] {
  return Object.entries(splits).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Names that any of them has, in the order in which they come. */
export function namesIn(records: readonly Readonly<Record<string, unknown>>[]): readonly string[] {
  return [...new Set(records.flatMap((record) => Object.keys(record)))];
}
