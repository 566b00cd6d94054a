import type { NoValue } from './metric.js';
import { walkDown, type Ranked } from './ranked.js';
import type { Scores } from './scores.js';
import { rowsOfShare, shareOption } from './share.js';

// The rows with the highest predictions, and how many of them are positives: what precision, recall and lift are made
// of.

/** The option of all of them. */
export const topOption = { top: shareOption.describe('Top fraction of rows by prediction, as in 5%') };

/** The best rows. */
interface TopShare {
  readonly rows: number;
  /**
   * Where the last ones are of one prediction with others, the share that falls to them: what a random choice gives on
   * average.
   */
  readonly positives: number;
}

/** The positives among the `rows` highest of some sorted rows. */
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

/** What `of` makes of the best rows of a space. */
export function defineTopMetric(
  top: number,
  of: (found: TopShare, ranked: Ranked) => number | NoValue,
): (scores: Scores) => number | NoValue {
  return (scores) => {
    const ranked = scores.ranked();
    return of(countTop(ranked, rowsOfShare(top, scores.rows)), ranked);
  };
}
