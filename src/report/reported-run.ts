import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Predicted, Report } from '../evaluation/evaluation.js';
import { readMetricLines, type MetricLines } from '../runs/metric-lines.js';
import { describeRun, readEvents, type ListedRun, type LogEvent } from '../runs/run-list.js';
import { readScores, type ScoreFile } from '../runs/score-file.js';

/** A formatted config value. */
export interface ConfigValue {
  readonly key: string;
  readonly value: string;
  /** The default value, if there is one. */
  readonly byDefault: string | undefined;
}

/** Everything a report shows of a run. */
export interface ReportedRun {
  /** Its name among the runs of the report. */
  readonly name: string;
  readonly about: ListedRun;
  readonly events: readonly LogEvent[];
  readonly lines: MetricLines;
  readonly scores: ScoreFile;
  /** Share of out-of-vocabulary values by split and field. */
  readonly unknown: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Values that differ from the defaults. */
  readonly changes: readonly ConfigValue[];
  /** All config values, by key path. */
  readonly config: ReadonlyMap<string, string>;
}

/** Reads a run directory; missing or damaged files are skipped. */
export function readReportedRun(
  folder: string,
  name: string,
  config: Pick<ReportedRun, 'changes' | 'config'>,
  nowMs: number,
): ReportedRun {
  return {
    name,
    about: describeRun(folder, nowMs),
    events: readEvents(folder),
    lines: readMetricLines(folder),
    scores: readScores(folder),
    unknown: readOovShares(folder),
    ...config,
  };
}

function readOovShares(folder: string): ReportedRun['unknown'] {
  const path = join(folder, 'data.json');
  try {
    return existsSync(path)
      ? ((JSON.parse(readFileSync(path, 'utf8')) as { unknown?: ReportedRun['unknown'] }).unknown ?? {})
      : {};
  } catch {
    return {};
  }
}

/** Binned predictions with their name in a chart. */
export interface ShownScores extends Predicted {
  readonly name: string;
}

/** Selects the predictions to draw: test and valid of a single run; test, or else valid, of several. */
export function shownScores(runs: readonly ReportedRun[]): readonly ShownScores[] {
  const [only, ...others] = runs;
  if (only !== undefined && others.length === 0)
    return sortSplits(only.scores).map(([split, scores]) => ({ name: split, ...scores }));
  return runs.map(({ name, scores }) => ({ name, ...(sortSplits(scores)[0]?.[1] ?? { outputs: {}, segments: {} }) }));
}

/** Returns the test report of the best weights, or else the validation report. */
export function lastReport({
  about: { metrics },
}: ReportedRun): { readonly split: string; readonly report: Report } | undefined {
  const [first] = sortSplits(metrics);
  return first && { split: first[0], report: first[1] };
}

/** Sorts splits: test first, since no choice was made on it. */
function sortSplits<Value>(splits: Readonly<Record<string, Value>>): readonly [string, Value][] {
  return Object.entries(splits).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Collects the keys of all records, in order of first appearance. */
export function collectKeys(records: readonly Readonly<Record<string, unknown>>[]): readonly string[] {
  return [...new Set(records.flatMap((record) => Object.keys(record)))];
}
