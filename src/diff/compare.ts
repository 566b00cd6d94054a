import type { Collector, Report } from '../evaluation/evaluation.js';
import type { MetricDirections } from '../evaluation/metric-direction.js';
import { normalQuantile } from '../evaluation/normal-quantile.js';
import type { Metric, MetricValue, NoValue } from '../evaluation/metric.js';
import type { Measuring } from '../evaluation/options.js';
import type { Scores } from '../evaluation/scores.js';
import { buildScores } from '../evaluation/output-scores.js';
import type { Output } from '../evaluation/outputs.js';

/** The rows of one model, predicted, and what is measured of them. */
export interface Side extends Pick<Collector, 'blocks' | 'keys'> {
  readonly spaces: readonly Output[];
  readonly measuring: Measuring;
}

/** A number that both were measured by; JSON. */
export interface Difference {
  readonly output: string;
  readonly metric: string;
  readonly goal: MetricValue['goal'];
  /** Null where it has no value. */
  readonly a: number | null;
  readonly b: number | null;
  /** b − a. */
  readonly difference: number | null;
  /** Confidence interval of the difference on all rows that there could be; null where the metric has none. */
  readonly low: number | null;
  readonly high: number | null;
}

/** How often the interval of a difference holds it, where nothing else is asked for. */
export const CONFIDENCE = 0.95;

/**
 * Compares what both models are measured by, space by space.
 * @param isPaired whether row i of one is row i of the other: what makes a row hard for both then falls out of their
 * difference
 * @param confidence of the intervals, between 0 and 1
 */
export function compareSides(a: Side, b: Side, isPaired: boolean, confidence = CONFIDENCE): readonly Difference[] {
  const quantile = normalQuantile((1 + confidence) / 2);
  return a.spaces.flatMap((space) => {
    const same = b.spaces.find(({ name, type }) => name === space.name && type === space.type);
    if (same === undefined) return [];
    const [scores, other] = [buildScores(space, a), buildScores(same, b)];
    return a.measuring.metrics
      .filter(({ taskType }) => taskType === space.type)
      .flatMap((metric) => {
        const match = b.measuring.metrics.find(
          ({ taskType, values }) => taskType === space.type && values[0].name === metric.values[0].name,
        );
        return match === undefined
          ? []
          : compareMetric(space.name, [metric, match], [scores, other], { isPaired, quantile });
      });
  });
}

/** Whether two models were predicted on rows whose labels are the same, one by one, in all spaces that both have. */
export function haveSameLabels(a: Side, b: Side): boolean {
  return a.spaces.every((space) => {
    const same = b.spaces.find(({ name }) => name === space.name);
    return same === undefined || isSameRows(buildScores(space, a), buildScores(same, b));
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

/** The same of what two runs measured themselves, without intervals. */
export function compareReports(a: Report, b: Report, goals: MetricDirections): readonly Difference[] {
  return Object.entries(a).flatMap(([space, values]) =>
    Object.entries(values).flatMap(([metric, before]): Difference[] => {
      const after = b[space]?.[metric];
      if (typeof before !== 'number' || typeof after !== 'number' || OWN.includes(metric)) return [];
      return [
        {
          output: space,
          metric,
          goal: goals.get(`${space}.${metric}`) ?? 'none',
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

/** Numbers of a report that count rows. */
const OWN = ['rows', 'positives'];

type Both<Each> = readonly [Each, Each];

function compareMetric(
  space: string,
  [metric, match]: Both<Metric>,
  both: Both<Scores>,
  { isPaired, quantile }: { readonly isPaired: boolean; readonly quantile: number },
): readonly Difference[] {
  const [before, after] = [valuesOf(metric, both[0]), valuesOf(match, both[1])];
  return metric.values.flatMap(({ name, goal }, v): Difference[] => {
    if (!after.has(name)) return [];
    const [a, b] = [before.get(name) ?? null, after.get(name) ?? null];
    const difference = a === null || b === null ? null : b - a;
    const error = v > 0 || difference === null ? undefined : errorOf([metric, match], both, isPaired);
    const [low, high] =
      difference === null || error === undefined
        ? [null, null]
        : [difference - quantile * error, difference + quantile * error];
    return [{ output: space, metric: name, goal, a, b, difference, low, high }];
  });
}

/** Standard error of the difference of two values; undefined where there is none. */
function errorOf([metric, match]: Both<Metric>, [scores, other]: Both<Scores>, isPaired: boolean): number | undefined {
  if (isPaired) return numberOf(metric.standardError?.(scores, other));
  const [a, b] = [numberOf(metric.standardError?.(scores)), numberOf(match.standardError?.(other))];
  return a === undefined || b === undefined ? undefined : Math.hypot(a, b);
}

function numberOf(found: number | NoValue | undefined): number | undefined {
  return typeof found === 'number' ? found : undefined;
}

/** The numbers of a metric by their names, null for one without a value. */
function valuesOf({ values, compute }: Metric, scores: Scores): ReadonlyMap<string, number | null> {
  const found = scores.rows === 0 ? { reason: 'no rows' } : compute(scores);
  return new Map(values.map(({ name }, v) => [name, 'reason' in found ? null : (numberOf(found[v]) ?? null)]));
}
