import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Predicted, Report } from '../evaluation/evaluation.js';
import { isOnAllRows } from '../evaluation/outputs.js';
import { readMetricLines, type MetricLines } from '../runs/metric-lines.js';
import { describeRun, readEvents, type ListedRun, type LogEvent } from '../runs/run-list.js';
import { readScores } from '../runs/score-file.js';
import { TEACHERS, teachersSchema, type TeacherRecord } from '../runs/teacher-record.js';
import type { MeasuredModel, Reference } from './comparison.js';
import { listComparisons, type ShownComparison } from './shown-comparison.js';

/** Name of the file in a run that `mtl importance --out` writes. */
export const IMPORTANCE = 'importance.json';

const dataSchema = z.looseObject({ unknown: z.record(z.string(), z.record(z.string(), z.number())) });
const intervalSchema = z.looseObject({ mean: z.number(), low: z.number().nullable(), high: z.number().nullable() });
const importanceSchema = z.looseObject({
  split: z.string(),
  rank: z.string(),
  importances: z.array(z.looseObject({ name: z.string(), drops: z.record(z.string(), intervalSchema.nullable()) })),
});

/** A formatted config value. */
export interface ConfigValue {
  readonly key: string;
  readonly value: string;
  /** The default value, if there is one. */
  readonly byDefault: string | undefined;
}

/** Everything a report shows of a run. Its name is unique in the report. */
export interface ReportedRun extends MeasuredModel {
  readonly about: ListedRun;
  readonly events: readonly LogEvent[];
  readonly lines: MetricLines;
  /** Share of out-of-vocabulary values by split and field. */
  readonly unknown: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Comparisons with other runs on live requests, oldest first. */
  readonly live: readonly ShownComparison[];
  /** The runs that its tasks were distilled from. */
  readonly teachers: readonly TeacherRecord[];
  /** Values that differ from the defaults. */
  readonly changes: readonly ConfigValue[];
  /** All config values, by key path. */
  readonly config: ReadonlyMap<string, string>;
  /** Models that the run is compared with. */
  readonly references: readonly Reference[];
  /** Permutation importance, if it was measured. */
  readonly importance: z.output<typeof importanceSchema> | undefined;
}

/**
 * Reads a run directory; missing or damaged files are skipped.
 * @param root directory of all runs
 */
export function readReportedRun(
  folder: string,
  root: string,
  name: string,
  config: Pick<ReportedRun, 'changes' | 'config' | 'measures'>,
  nowMs: number,
): ReportedRun {
  const about = describeRun(folder, nowMs);
  return {
    name,
    about,
    metrics: about.metrics,
    references: [],
    importance: readJson(join(folder, IMPORTANCE), importanceSchema),
    events: readEvents(folder),
    lines: readMetricLines(folder),
    scores: readScores(folder),
    live: listComparisons(folder, root),
    teachers: readJson(join(folder, TEACHERS), teachersSchema) ?? [],
    unknown: readJson(join(folder, 'data.json'), dataSchema)?.unknown ?? {},
    ...config,
  };
}

/** Reads a JSON file of a run; undefined if it is missing or damaged. */
function readJson<Content>(path: string, schema: z.ZodType<Content>): Content | undefined {
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return undefined;
  }
}

/** Binned predictions with their name in a chart. */
export interface ShownScores extends Predicted {
  readonly name: string;
}

/** Selects the predictions to draw of each run: test, or else valid. */
export function shownScores(runs: readonly ReportedRun[]): readonly ShownScores[] {
  return runs.map(({ name, scores }) => ({ name, ...(sortSplits(scores)[0]?.[1] ?? { outputs: {}, segments: {} }) }));
}

/** Returns the split of the main metrics: test, or else valid; undefined if nothing was measured. */
export function mainSplit({ metrics }: MeasuredModel): string | undefined {
  return sortSplits(metrics)[0]?.[0];
}

/** Returns the values of all outputs on the main split. */
export function mainReport(run: MeasuredModel): Report {
  return run.metrics[mainSplit(run) ?? ''] ?? {};
}

/** Sorts splits: test first, since no choice was made on it. */
export function sortSplits<Value>(splits: Readonly<Record<string, Value>>): readonly [string, Value][] {
  return Object.entries(splits).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Collects the keys of all records, in order of first appearance. */
export function collectKeys(records: readonly Readonly<Record<string, unknown>>[]): readonly string[] {
  return [...new Set(records.flatMap((record) => Object.keys(record)))];
}

/**
 * Collects the outputs of some reports, without segments: the outputs of the model's tasks, and the outputs that
 * measure a conditional task on all rows.
 */
export function collectOutputs(reports: readonly Readonly<Record<string, unknown>>[]): {
  readonly main: readonly string[];
  readonly all: readonly string[];
} {
  // The names of segments end with the column and value in brackets.
  const names = collectKeys(reports).filter((output) => !output.endsWith(']'));
  const isFolded = (name: string): boolean => isOnAllRows(name, names);
  return { main: names.filter((name) => !isFolded(name)), all: names.filter(isFolded) };
}
