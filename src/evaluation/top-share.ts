import type { NoValue } from './metric.js';
import { walkDown, type Ranked } from './ranked.js';
import type { Scores } from './scores.js';
import { countShare, shareOption } from './share.js';

// Top rows by prediction and their positives, shared by precision, recall and lift.

/** Option of the metrics at the top share. */
export const topOption = { top: shareOption.describe('Top fraction of rows by prediction, as in 5%') };

interface TopShare {
  readonly rows: number;
  /** If predictions tie at the cut, the expected number for a random order. */
  readonly positives: number;
}

/** Counts the positives among the top `rows` of sorted rows. */
export function countTop(ranked: Ranked, rows: number): TopShare {
  let [left, positives] = [rows, 0];
  walkDown(ranked, (numNegatives, numPositives) => {
    const size = numNegatives + numPositives;
    positives += size <= left ? numPositives : (numPositives * left) / size;
    left -= size;
    return left > 0;
  });
  return { rows, positives };
}

/** Creates a metric that applies `of` to the top rows of an output. */
export function defineTopMetric(
  top: number,
  computeValue: (top: TopShare, ranked: Ranked) => number | NoValue,
): (scores: Scores) => number | NoValue {
  return (scores) => {
    const ranked = scores.ranked();
    return computeValue(countTop(ranked, countShare(top, scores.rows)), ranked);
  };
}
