import { html, type Html } from '../charts/html.js';
import { signed } from '../text/number-text.js';
import type { Difference } from '../diff/compare.js';
import type { Report } from '../evaluation/evaluation.js';
import { mainValue, type Metric } from '../evaluation/metric.js';
import { normalQuantile } from '../core/normal-quantile.js';
import { expandBins, type ScoreBins } from '../evaluation/score-bins.js';
import type { Scores } from '../evaluation/scores.js';
import type { ScoreFile } from '../runs/score-file.js';

/** Metrics and histograms of a model, by split. */
export interface MeasuredModel {
  readonly name: string;
  readonly metrics: Readonly<Record<string, Report>>;
  readonly scores: ScoreFile;
  /** The metrics of its config. */
  readonly measures: readonly Metric[];
}

/** A model that a run is compared with. */
export interface Reference extends MeasuredModel {
  /** Differences of the run from this model on the same rows; absent if rows are not paired. */
  readonly paired?: readonly Difference[];
  /** Reason if rows are not paired. */
  readonly note?: string;
}

/** A value with half the width of its 95% interval, if it has one. */
export interface Estimate {
  readonly value: number;
  readonly half: number | undefined;
}

/** The value of a model, and the difference of the run from it; absent if their rows differ. */
export interface Comparison {
  readonly value: number;
  readonly difference: Estimate | undefined;
}

/** An output and a metric of it, on a split. */
export interface Measure {
  readonly split: string;
  readonly output: string;
  readonly metric: Metric;
}

const Z = normalQuantile(0.975);
/** Maximum number of rows to pair with the mean rate; pairing looks up each row in all others. */
const MAX_PAIRED_ROWS = 1e6;

/** Returns the value of a measure, with its interval if the histogram of its predictions is stored. */
export function estimate(model: MeasuredModel, { split, output, metric }: Measure): Estimate | undefined {
  const { name } = metric.values[0];
  const value = model.metrics[split]?.[output]?.[name];
  const bins = model.scores[split]?.outputs[output];
  return typeof value === 'number' ? { value, half: bins && readHistogram(bins, model).get(name)?.half } : undefined;
}

/** Compares a run with a model: with paired rows if there are any, else as independent samples. */
export function compare(run: MeasuredModel, reference: Reference, measure: Measure): Comparison | undefined {
  const { split, output, metric } = measure;
  const [own, other] = [estimate(run, measure), estimate(reference, measure)];
  if (own === undefined || other === undefined) return undefined;
  const paired = reference.paired?.find((each) => each.output === output && each.metric === metric.values[0].name);
  if (typeof paired?.difference === 'number') {
    const { difference, low, high } = paired;
    const half = low === null || high === null ? undefined : (high - low) / 2;
    return { value: other.value, difference: { value: difference, half } };
  }
  const counts = [run, reference].map(({ metrics }) => metrics[split]?.[output]);
  const isSame = counts[0]?.rows === counts[1]?.rows && counts[0]?.positives === counts[1]?.positives;
  const half = own.half === undefined || other.half === undefined ? undefined : Math.hypot(own.half, other.half);
  return { value: other.value, difference: isSame ? { value: own.value - other.value, half } : undefined };
}

/**
 * Compares a run with the prediction of the mean rate for every row; undefined if the metric requires
 * groups or has no direction.
 */
export function compareWithMeanRate(run: MeasuredModel, measure: Measure): Comparison | undefined {
  const { split, output, metric } = measure;
  const [own, bins] = [estimate(run, measure), run.scores[split]?.outputs[output]];
  const rate = bins && readHistogram(bins, run).get(metric.values[0].name)?.meanRate;
  return own && rate && metric.values[0].goal !== 'none'
    ? { value: rate.value, difference: { value: own.value - rate.value, half: rate.half } }
    : undefined;
}

/** Returns which model is better, if the interval of the difference excludes 0. */
export function verdict(metric: Metric, { value, half }: Estimate): 'better' | 'worse' | undefined {
  const [{ goal }] = metric.values;
  if (half === undefined || Math.abs(value) <= half || goal === 'none') return undefined;
  return value > 0 === (goal === 'higher') ? 'better' : 'worse';
}

/** Renders a difference, with the mark and the color of its verdict. */
export function renderSigned(value: number, found: ReturnType<typeof verdict>): Html {
  const mark = found === undefined ? '' : found === 'better' ? '✓ ' : '✗ ';
  return html`<span class="${found ?? 'same'}">${mark}${signed(value)}</span>`;
}

/** Everything that the rows of a histogram show about a metric. */
interface HistogramFacts {
  readonly half: number | undefined;
  /** Value if the mean rate is predicted for every row, and half the width of the difference's interval. */
  readonly meanRate: Estimate | undefined;
}

const cached = new WeakMap<ScoreBins, ReadonlyMap<string, HistogramFacts>>();

/** Computes the facts of all metrics at once, so that the rows of only one histogram are in memory; cached. */
function readHistogram(bins: ScoreBins, { measures }: MeasuredModel): ReadonlyMap<string, HistogramFacts> {
  const known = cached.get(bins);
  if (known !== undefined) return known;
  const [scores, constant] = [expandBins(bins), expandBins(bins, bins.positives / bins.rows)];
  const facts = new Map(
    measures
      .filter(({ by, taskType }) => by === undefined && taskType === 'classification')
      .map((metric) => {
        const half = halfWidth(metric, scores);
        const value = mainValue(metric, constant);
        const ownHalf = bins.rows > MAX_PAIRED_ROWS ? half : halfWidth(metric, scores, constant);
        return [metric.values[0].name, { half, meanRate: value === null ? undefined : { value, half: ownHalf } }];
      }),
  );
  cached.set(bins, facts);
  return facts;
}

function halfWidth({ standardError }: Metric, scores: Scores, other?: Scores): number | undefined {
  const error = scores.rows === 0 ? undefined : standardError?.(scores, other);
  return typeof error === 'number' ? Z * error : undefined;
}
