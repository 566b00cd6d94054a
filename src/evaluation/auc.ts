import { defineMetric, type NoValue } from './metric.js';
import { normalQuantile } from './normal-quantile.js';
import { pairedVariance } from './paired-auc.js';
import { oneClass, walkUp, type Ranked } from './ranked.js';
import { shareOption } from './share.js';

/**
 * Area under the ROC curve: the share of pairs of a positive and a negative that the prediction ranks rightly, ties
 * half
 * (Hanley & McNeil 1982). Exact: both classes are sorted and merged.
 */
export const auc = defineMetric({
  name: 'auc',
  summary: 'area under the ROC curve; with confidence: 95%, also auc_low and auc_high (DeLong 1988)',
  isDefault: true,
  options: () => ({
    confidence: shareOption.optional().describe('Confidence level of the AUC interval, as in 95%'),
  }),
  build: ({ confidence }) => ({
    taskType: 'classification',
    values: [
      { name: 'auc', goal: 'higher' },
      ...(confidence === undefined
        ? []
        : (['auc_low', 'auc_high'] as const).map((name) => ({ name, goal: 'higher' as const }))),
    ],
    compute(scores) {
      const ranked = scores.ranked();
      const none = oneClass(ranked);
      if (none !== undefined) return none;
      const value = areaOf(ranked);
      return confidence === undefined ? [value] : [value, ...bounds(ranked, value, confidence)];
    },
    standardError(scores, other) {
      const ranked = scores.ranked();
      const none = tooFew(ranked);
      if (none !== undefined) return none;
      return Math.sqrt(other === undefined ? varianceOf(ranked, areaOf(ranked)) : pairedVariance(scores, other));
    },
  }),
});

function areaOf(ranked: Ranked): number {
  return rightPairs(ranked) / (2 * ranked.positives.length * ranked.negatives.length);
}

/**
 * Twice the number of pairs that are ranked rightly, so that ties stay whole; below 2^53 up to 67 million of each
 * class.
 */
export function rightPairs({ negatives, positives }: Ranked): number {
  const [numNegatives, numPositives] = [negatives.length, positives.length];
  let twice = 0;
  // Of the negatives: those below a positive, and those that are not above it.
  let [below, reached] = [0, 0];
  for (let p = 0; p < numPositives; p++) {
    const key = positives[p]!;
    while (below < numNegatives && negatives[below]! < key) below++;
    if (reached < below) reached = below;
    while (reached < numNegatives && negatives[reached] === key) reached++;
    twice += below + reached;
  }
  return twice;
}

/** The interval around an AUC, within 0 and 1. */
function bounds(ranked: Ranked, value: number, interval: number): readonly [number | NoValue, number | NoValue] {
  const none = tooFew(ranked);
  if (none !== undefined) return [none, none];
  const variance = varianceOf(ranked, value);
  const half = variance === 0 ? 0 : normalQuantile((1 + interval) / 2) * Math.sqrt(variance);
  return [Math.max(0, value - half), Math.min(1, value + half)];
}

/** Why an AUC has no variance; undefined where it has. */
function tooFew({ positives, negatives }: Ranked): NoValue | undefined {
  if (Math.min(positives.length, negatives.length) >= 2) return undefined;
  return {
    reason: `the variance needs two rows of each class, found ${positives.length} positives and ${negatives.length} negatives`,
  };
}

/**
 * The variance of an AUC from that of its placements (DeLong, DeLong & Clarke-Pearson 1988), which sorted rows give in
 * one pass (Sun & Xu 2014).
 */
function varianceOf(ranked: Ranked, value: number): number {
  const [numPositives, numNegatives] = [ranked.positives.length, ranked.negatives.length];
  let [below, positivesBelow] = [0, 0];
  let [ofPositives, ofNegatives] = [0, 0];
  walkUp(ranked, (negatives, positives) => {
    // Of a positive, the share of negatives below it; of a negative, that of positives above it.
    ofPositives += positives * ((below + negatives / 2) / numNegatives - value) ** 2;
    ofNegatives += negatives * ((numPositives - positivesBelow - positives / 2) / numPositives - value) ** 2;
    below += negatives;
    positivesBelow += positives;
  });
  return ofPositives / (numPositives - 1) / numPositives + ofNegatives / (numNegatives - 1) / numNegatives;
}
