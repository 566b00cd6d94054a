import type { Collector, Report } from '../evaluation/evaluation.js';
import type { MetricDirections } from '../evaluation/metric-direction.js';
import { normalQuantile } from '../core/normal-quantile.js';
import type { Metric, MetricValue, NoValue } from '../evaluation/metric.js';
import type { Measuring } from '../evaluation/options.js';
import type { Scores } from '../evaluation/scores.js';
import { buildScores } from '../evaluation/output-scores.js';
import type { Output } from '../evaluation/outputs.js';

/** Predicted rows of one model and its metrics. */
export interface Side extends Pick<Collector, 'blocks' | 'keys'> {
  readonly outputs: readonly Output[];
  readonly measuring: Measuring;
}

/** A metric of both models; JSON. */
export interface Difference {
  readonly output: string;
  readonly metric: string;
  readonly goal: MetricValue['goal'];
  /** Null if undefined on these rows. */
  readonly a: number | null;
  readonly b: number | null;
  /** Value of b minus value of a. */
  readonly difference: number | null;
  /** Confidence interval of the difference; null if the metric has none. */
  readonly low: number | null;
  readonly high: number | null;
}

/** Default confidence level of intervals. */
export const CONFIDENCE = 0.95;

/**
 * Compares two models output by output, with all metrics that they share.
 * @param isPaired whether row i is the same row in both; errors that both make on a row then cancel
 * @param confidence level of the intervals, between 0 and 1
 */
export function compareSides(a: Side, b: Side, isPaired: boolean, confidence = CONFIDENCE): readonly Difference[] {
  const quantile = normalQuantile((1 + confidence) / 2);
  return a.outputs.flatMap((output) => {
    const same = b.outputs.find(({ name, type }) => name === output.name && type === output.type);
    if (same === undefined) return [];
    const [scores, other] = [buildScores(output, a), buildScores(same, b)];
    return a.measuring.metrics
      .filter(({ taskType }) => taskType === output.type)
      .flatMap((metric) => {
        const match = b.measuring.metrics.find(
          ({ taskType, values }) => taskType === output.type && values[0].name === metric.values[0].name,
        );
        return match === undefined
          ? []
          : compareMetric(output.name, [metric, match], [scores, other], { isPaired, quantile });
      });
  });
}

/** Reports whether the labels of two models' rows are equal, in order, for all outputs that both have. */
export function haveSameLabels(a: Side, b: Side): boolean {
  return a.outputs.every((output) => {
    const same = b.outputs.find(({ name }) => name === output.name);
    return same === undefined || isSameRows(buildScores(output, a), buildScores(same, b));
  });
}

function isSameRows(scores: Scores, other: Scores): boolean {
  if (scores.rows !== other.rows) return false;
  const others = other[Symbol.iterator]();
  for (const { labels } of scores) {
    const next = others.next();
    if (
      next.done === true ||
      next.value.labels.length !== labels.length ||
      labels.some((label, row) => label !== next.value.labels[row])
    )
      return false;
  }
  return true;
}

/** Compares the reports of two runs, without intervals. */
export function compareReports(a: Report, b: Report, goals: MetricDirections): readonly Difference[] {
  return Object.entries(a).flatMap(([output, values]) =>
    Object.entries(values).flatMap(([metric, before]): Difference[] => {
      const after = b[output]?.[metric];
      if (typeof before !== 'number' || typeof after !== 'number' || ROW_COUNTS.includes(metric)) return [];
      return [
        {
          output: output,
          metric,
          goal: goals.get(`${output}.${metric}`) ?? 'none',
          a: before,
          b: after,
          difference: after - before,
          low: null,
          high: null,
        },
      ];
    }),
  );
}

/** Report values that count rows. */
const ROW_COUNTS = ['rows', 'positives'];

type Both<Each> = readonly [Each, Each];

function compareMetric(
  output: string,
  [metric, match]: Both<Metric>,
  both: Both<Scores>,
  { isPaired, quantile }: { readonly isPaired: boolean; readonly quantile: number },
): readonly Difference[] {
  const [before, after] = [computeValues(metric, both[0]), computeValues(match, both[1])];
  return metric.values.flatMap(({ name, goal }, v): Difference[] => {
    if (!after.has(name)) return [];
    const [a, b] = [before.get(name) ?? null, after.get(name) ?? null];
    const difference = a === null || b === null ? null : b - a;
    const error = v > 0 || difference === null ? undefined : computeError([metric, match], both, isPaired);
    const [low, high] =
      difference === null || error === undefined
        ? [null, null]
        : [difference - quantile * error, difference + quantile * error];
    return [{ output: output, metric: name, goal, a, b, difference, low, high }];
  });
}

/** Computes the standard error of a difference; undefined if the metric has none. */
function computeError(
  [metric, match]: Both<Metric>,
  [scores, other]: Both<Scores>,
  isPaired: boolean,
): number | undefined {
  if (isPaired) return toNumber(metric.standardError?.(scores, other));
  const [a, b] = [toNumber(metric.standardError?.(scores)), toNumber(match.standardError?.(other))];
  return a === undefined || b === undefined ? undefined : Math.hypot(a, b);
}

function toNumber(found: number | NoValue | undefined): number | undefined {
  return typeof found === 'number' ? found : undefined;
}

/** Computes the values of a metric by name; null for one without a value. */
function computeValues({ values, compute }: Metric, scores: Scores): ReadonlyMap<string, number | null> {
  const found = scores.rows === 0 ? { reason: 'no rows' } : compute(scores);
  return new Map(values.map(({ name }, v) => [name, 'reason' in found ? null : (toNumber(found[v]) ?? null)]));
}
