import { floatReader, orderBits } from './ranked.js';
import { sumColumn, type Scores } from './scores.js';

/**
 * Bins of one width in the logit ln(p / (1 - p)), so that rare events are told apart as finely as others: p differs by
 * 1.6% at most within one.
 */
export const BINS_PER_UNIT = 64;
/** Logits beyond it, where p is below 1.2e-7 or as near to 1, are in the outermost bins. */
const LARGEST_LOGIT = 16;
const FIRST = -LARGEST_LOGIT * BINS_PER_UNIT;
const COUNT = -2 * FIRST;

/** How many positives there were among some rows, and how many were predicted. JSON. */
export interface ScoreSums {
  readonly rows: number;
  readonly positives: number;
  /** The sum of all predictions. */
  readonly predicted: number;
}

/** How often each prediction was made in a space, and how often it came true: what curves are drawn from. JSON. */
export interface ScoreBins extends ScoreSums {
  /** Bins with a row, the lowest first: the logits of bin `at` begin at `at / BINS_PER_UNIT`. */
  readonly at: readonly number[];
  /** Rows of each of them, by class. */
  readonly negatives: readonly number[];
  readonly truths: readonly number[];
}

/** Counts the rows of a classification in bins of predictions: the same in whatever order they come. */
export function binScores(scores: Scores): ScoreBins {
  const { negatives, positives } = scores.ranked();
  const bins: { readonly [Each in 'at' | 'negatives' | 'truths']: number[] } = { at: [], negatives: [], truths: [] };
  let n = 0;
  let p = 0;
  while (n < negatives.length || p < positives.length) {
    const least =
      p === positives.length || (n < negatives.length && negatives[n]! < positives[p]!) ? negatives[n]! : positives[p]!;
    const bin = binOf(floatOf(least));
    const end = endOf(bin);
    const nextNegative = reaching(end, negatives, n);
    const nextPositive = reaching(end, positives, p);
    bins.at.push(bin);
    bins.negatives.push(nextNegative - n);
    bins.truths.push(nextPositive - p);
    n = nextNegative;
    p = nextPositive;
  }
  return { rows: scores.rows, positives: positives.length, predicted: sumColumn(scores, 'predictions'), ...bins };
}

/** Where sorted keys, from a place on, reach `end`. */
function reaching(end: number, keys: Uint32Array, from: number): number {
  const { length } = keys;
  let at = from;
  while (at < length && keys[at]! < end) at++;
  return at;
}

/** By bin, from the first on: where it ends, where that was asked for. */
const ends = new Float64Array(COUNT);

/**
 * The least key of a prediction that is beyond a bin. Predictions are floats, far enough apart for logarithms to leave
 * them in their order.
 */
function endOf(bin: number): number {
  const place = bin - FIRST;
  if (place === COUNT - 1) return Infinity;
  return (ends[place] ||= foundEnd(bin));
}

const floatOf = floatReader();
const near = new Uint32Array(1);
const nearFloat = new Float32Array(near.buffer);

function foundEnd(bin: number): number {
  nearFloat[0] = 1 / (1 + Math.exp(-(bin + 1) / BINS_PER_UNIT));
  orderBits(near);
  // One or two keys away, as that was rounded.
  let end = near[0]!;
  while (binOf(floatOf(end - 1)) > bin) end--;
  while (binOf(floatOf(end)) <= bin) end++;
  return end;
}

/** Adds up the rows of a classification; the same in whatever order they come. */
export function sumScores(scores: Scores): ScoreSums {
  return { rows: scores.rows, positives: sumColumn(scores, 'labels'), predicted: sumColumn(scores, 'predictions') };
}

/** The number of the bin of a prediction. */
function binOf(prediction: number): number {
  // A model that divides one probability by another may predict more than 1.
  const bounded = prediction < 0 ? 0 : prediction > 1 ? 1 : prediction;
  const bin = Math.floor(BINS_PER_UNIT * (Math.log(bounded) - Math.log1p(-bounded)));
  return bin < FIRST ? FIRST : bin < FIRST + COUNT ? bin : FIRST + COUNT - 1;
}

/** The prediction in the middle of a bin. */
export function computeBinCenter(bin: number): number {
  return 1 / (1 + Math.exp(-(bin + 0.5) / BINS_PER_UNIT));
}
