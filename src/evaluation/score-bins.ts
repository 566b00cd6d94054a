import { sumOf, type Scores } from './scores.js';

/** Bins of one width in the logit ln(p / (1 - p)), so that rare events are told apart as finely as others: p differs by 1.6% at most within one. */
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

/**
 * Counts the rows of a classification in bins of predictions. Counts are whole, and so the same in whatever order rows come; memory
 * does not depend on their number.
 */
export function binScores(scores: Scores): ScoreBins {
  const [negatives, truths] = [new Float64Array(COUNT), new Float64Array(COUNT)];
  for (const { labels, predictions } of scores) {
    for (let row = 0; row < labels.length; row++) {
      const bin = binOf(predictions[row]!) - FIRST;
      if (labels[row] === 1) truths[bin]!++;
      else negatives[bin]!++;
    }
  }
  const filled: number[] = [];
  let positives = 0;
  for (let bin = 0; bin < COUNT; bin++) {
    if (negatives[bin]! + truths[bin]! > 0) filled.push(bin);
    positives += truths[bin]!;
  }
  return {
    rows: scores.rows,
    positives,
    predicted: sumOf(scores, 'predictions'),
    at: filled.map((bin) => bin + FIRST),
    negatives: filled.map((bin) => negatives[bin]!),
    truths: filled.map((bin) => truths[bin]!),
  };
}

/** Adds up the rows of a classification; the same in whatever order they come. */
export function sumScores(scores: Scores): ScoreSums {
  return { rows: scores.rows, positives: sumOf(scores, 'labels'), predicted: sumOf(scores, 'predictions') };
}

/** The number of the bin of a prediction. */
function binOf(prediction: number): number {
  // A model that divides one probability by another may predict more than 1.
  const bounded = Math.max(0, Math.min(1, prediction));
  const bin = Math.floor(BINS_PER_UNIT * (Math.log(bounded) - Math.log1p(-bounded)));
  return Math.max(FIRST, Math.min(FIRST + COUNT - 1, bin));
}

/** The prediction in the middle of a bin. */
export function middleOf(bin: number): number {
  return 1 / (1 + Math.exp(-(bin + 0.5) / BINS_PER_UNIT));
}
