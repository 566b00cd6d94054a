import { ece } from './ece.js';
import { logLoss } from './log-loss.js';
import type { Metric, TableRow } from './metric.js';
import { plainMetric } from './metrics.js';
import { pcoc } from './pcoc.js';
import type { Scores } from './scores.js';
import type { Output } from './outputs.js';

/** Metrics of an output: numbers, or null with the reason under `reasons`. */
export interface OutputReport {
  readonly rows: number;
  /** Rows with label 1; absent for a regression. */
  readonly positives?: number;
  readonly reasons?: Readonly<Record<string, string>>;
  /** Bins of predictions, by metric. */
  readonly bins?: Readonly<Record<string, readonly TableRow[]>>;
  /** Effect of calibration, if the output is calibrated. */
  readonly calibration?: CalibrationReport;
  readonly [metric: string]:
    | number
    | null
    | undefined
    | Readonly<Record<string, string>>
    | Readonly<Record<string, readonly TableRow[]>>
    | CalibrationReport;
}

/** Metrics of an output before and after calibration. */
export interface CalibrationReport {
  readonly method: string;
  readonly before: OutputReport;
  readonly after: OutputReport;
}

/** Metrics of calibration; the bins of ECE are a reliability diagram. */
const CALIBRATION_METRICS = [logLoss.name, pcoc.name, ece.name];

/** Measures the effect of the calibrator of an output; empty if it has none. */
export function measureCalibration(
  output: Output,
  scores: (output: Output) => Scores,
): Pick<OutputReport, 'calibration'> {
  const { calibrator, ...raw } = output;
  if (calibrator === undefined) return {};
  const metrics = CALIBRATION_METRICS.map(plainMetric);
  const measured = (each: Output): OutputReport => measure(each, { metrics }, scores(each));
  return { calibration: { method: calibrator.method, before: measured(raw), after: measured(output) } };
}

/** Computes the metrics of an output that apply to its type. */
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
    const result = scores.rows === 0 ? { reason: 'no rows' } : compute(scores);
    for (const [v, { name }] of values.entries()) {
      const value = 'reason' in result ? result : result[v]!;
      numbers[name] = typeof value === 'number' ? value : null;
      if (typeof value !== 'number') reasons[name] = value.reason;
    }
    if (tabulate !== undefined && scores.rows > 0) bins[values[0].name] = tabulate(scores);
  }
  return {
    rows: scores.rows,
    ...(type === 'classification' ? { positives: scores.sum('labels') } : {}),
    ...numbers,
    ...(Object.keys(bins).length > 0 ? { bins } : {}),
    ...(Object.keys(reasons).length > 0 ? { reasons } : {}),
  };
}
