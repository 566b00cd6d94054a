import { ece } from './ece.js';
import { logLoss } from './log-loss.js';
import type { Metric, TableRow } from './metric.js';
import { plainMetric } from './metrics.js';
import { pcoc } from './pcoc.js';
import { sumColumn, type Scores } from './scores.js';
import type { Output } from './outputs.js';

/** The metrics of one space: a number, or null with its reason under `reasons`. */
export interface OutputReport {
  readonly rows: number;
  /** Rows with label 1; absent for a regression. */
  readonly positives?: number;
  readonly reasons?: Readonly<Record<string, string>>;
  /** By metric that has some: bins of predictions. */
  readonly bins?: Readonly<Record<string, readonly TableRow[]>>;
  /** Of predictions that are calibrated: what that did. */
  readonly calibration?: CalibrationReport;
  readonly [metric: string]:
    | number
    | null
    | undefined
    | Readonly<Record<string, string>>
    | Readonly<Record<string, readonly TableRow[]>>
    | CalibrationReport;
}

/**
 * What a calibration did to the predictions of a space: metrics of them as the model predicts them, and as they are
 * told.
 */
export interface CalibrationReport {
  readonly method: string;
  readonly before: OutputReport;
  readonly after: OutputReport;
}

/** What tells whether probabilities are right; the bins of the last are those of a reliability diagram. */
const CALIBRATION_METRICS = [logLoss.name, pcoc.name, ece.name];

/** What its calibrator does to a space; nothing where it has none. */
export function measureCalibration(
  space: Output,
  scores: (space: Output) => Scores,
): Pick<OutputReport, 'calibration'> {
  const { calibrator, ...raw } = space;
  if (calibrator === undefined) return {};
  const metrics = CALIBRATION_METRICS.map(plainMetric);
  const measured = (each: Output): OutputReport => measure(each, { metrics }, scores(each));
  return { calibration: { method: calibrator.method, before: measured(raw), after: measured(space) } };
}

/** The metrics of a space's rows that are for its type. */
export function measure(
  { type }: Output,
  { metrics }: { readonly metrics: readonly Metric[] },
  scores: Scores,
): OutputReport {
  const numbers: Record<string, number | null> = {};
  const reasons: Record<string, string> = {};
  const bins: Record<string, readonly TableRow[]> = {};
  for (const { taskType, values, compute, tabulate } of metrics) {
    if (taskType !== type) continue;
    const found = scores.rows === 0 ? { reason: 'no rows' } : compute(scores);
    for (const [v, { name }] of values.entries()) {
      const value = 'reason' in found ? found : found[v]!;
      numbers[name] = typeof value === 'number' ? value : null;
      if (typeof value !== 'number') reasons[name] = value.reason;
    }
    if (tabulate !== undefined && scores.rows > 0) bins[values[0].name] = tabulate(scores);
  }
  return {
    rows: scores.rows,
    ...(type === 'classification' ? { positives: sumColumn(scores, 'labels') } : {}),
    ...numbers,
    ...(Object.keys(bins).length > 0 ? { bins } : {}),
    ...(Object.keys(reasons).length > 0 ? { reasons } : {}),
  };
}
