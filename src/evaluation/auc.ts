import { defineMetric, type NoValue } from './metric.js';
import { normalQuantile } from './normal-quantile.js';
import { oneClass, walkUp, type Ranked } from './ranked.js';
import { shareOption } from './share.js';

/**
 * Area under the ROC curve: the share of pairs of a positive and a negative that the prediction ranks rightly, ties half
 * (Hanley & McNeil 1982). Exact: both classes are sorted and merged.
 */
export const auc = defineMetric({
  name: 'auc',
  summary: 'share of pairs of a positive and a negative that are ranked rightly; with interval: 95%, also auc_low and auc_high (DeLong 1988)',
  isDefault: true,
  options: {
    interval: shareOption.optional().describe('how often such an interval holds the AUC of all rows that there could be, as in 95%'),
  },
  build: ({ interval }) => ({
    taskType: 'classification',
    values: [
      { name: 'auc', goal: 'higher' },
      ...(interval === undefined ? [] : (['auc_low', 'auc_high'] as const).map((name) => ({ name, goal: 'higher' as const }))),
    ],
    compute(scores) {
      const ranked = scores.ranked();
      const none = oneClass(ranked);
      if (none !== undefined) return none;
      const value = rightPairs(ranked) / (2 * ranked.positives.length * ranked.negatives.length);
      return interval === undefined ? [value] : [value, ...bounds(ranked, value, interval)];
    },
  }),
});

/** Twice the number of pairs that are ranked rightly, so that ties stay whole; below 2^53 up to 67 million of each class. */
export function rightPairs(ranked: Ranked): number {
  let twice = 0;
  let below = 0;
  walkUp(ranked, (numNegatives, numPositives) => {
    twice += numPositives * (2 * below + numNegatives);
    below += numNegatives;
  });
  return twice;
}

/**
 * The interval around an AUC from the variance of its placements (DeLong, DeLong & Clarke-Pearson 1988), which sorted rows give in one
 * pass (Sun & Xu 2014); within 0 and 1.
 */
function bounds(ranked: Ranked, value: number, interval: number): readonly [number | NoValue, number | NoValue] {
  const [numPositives, numNegatives] = [ranked.positives.length, ranked.negatives.length];
  if (Math.min(numPositives, numNegatives) < 2) {
    const none = { reason: `the variance needs two rows of each class, found ${numPositives} positives and ${numNegatives} negatives` };
    return [none, none];
  }
  let [below, positivesBelow] = [0, 0];
  let [ofPositives, ofNegatives] = [0, 0];
  walkUp(ranked, (negatives, positives) => {
    // Of a positive, the share of negatives below it; of a negative, that of positives above it.
    ofPositives += positives * ((below + negatives / 2) / numNegatives - value) ** 2;
    ofNegatives += negatives * ((numPositives - positivesBelow - positives / 2) / numPositives - value) ** 2;
    below += negatives;
    positivesBelow += positives;
  });
  const variance = ofPositives / (numPositives - 1) / numPositives + ofNegatives / (numNegatives - 1) / numNegatives;
  const half = variance === 0 ? 0 : normalQuantile((1 + interval) / 2) * Math.sqrt(variance);
  return [Math.max(0, value - half), Math.min(1, value + half)];
}
