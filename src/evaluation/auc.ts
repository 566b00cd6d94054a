import { defineMetric, type NoValue } from './metric.js';
import { normalQuantile } from '../core/normal-quantile.js';
import { pairedVariance } from './paired-auc.js';
import { findOneClass, walkUp, type Ranked } from './ranked.js';
import { shareOption } from './share.js';

/**
 * Area under the ROC curve: the share of positive-negative pairs that the prediction ranks correctly; ties count half
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
      const noValue = findOneClass(ranked);
      if (noValue !== undefined) return noValue;
      const value = computeArea(ranked);
      return confidence === undefined ? [value] : [value, ...computeBounds(ranked, value, confidence)];
    },
    standardError(scores, other) {
      const ranked = scores.ranked();
      const noValue = explainTooFew(ranked);
      if (noValue !== undefined) return noValue;
      return Math.sqrt(
        other === undefined ? computeVariance(ranked, computeArea(ranked)) : pairedVariance(scores, other),
      );
    },
  }),
});

function computeArea(ranked: Ranked): number {
  return countRightPairs(ranked) / (2 * ranked.positives.length * ranked.negatives.length);
}

/**
 * Counts correctly ranked pairs times two, so that ties stay integers; below 2^53 for up to 67 million rows per class.
 */
export function countRightPairs({ negatives, positives }: Ranked): number {
  const [numNegatives, numPositives] = [negatives.length, positives.length];
  let doubled = 0;
  // Counts of negatives below the positive, and of negatives not above it.
  let [below, reached] = [0, 0];
  for (let p = 0; p < numPositives; p++) {
    const key = positives[p]!;
    while (below < numNegatives && negatives[below]! < key) below++;
    if (reached < below) reached = below;
    while (reached < numNegatives && negatives[reached] === key) reached++;
    doubled += below + reached;
  }
  return doubled;
}

/** Computes the confidence interval of an AUC, clamped to 0…1. */
function computeBounds(ranked: Ranked, value: number, interval: number): readonly [number | NoValue, number | NoValue] {
  const noValue = explainTooFew(ranked);
  if (noValue !== undefined) return [noValue, noValue];
  const variance = computeVariance(ranked, value);
  const half = variance === 0 ? 0 : normalQuantile((1 + interval) / 2) * Math.sqrt(variance);
  return [Math.max(0, value - half), Math.min(1, value + half)];
}

/** Returns the reason if an AUC has no variance. */
function explainTooFew({ positives, negatives }: Ranked): NoValue | undefined {
  if (Math.min(positives.length, negatives.length) >= 2) return undefined;
  return {
    reason:
      `the variance requires two rows per class, found ${positives.length} positives and ${negatives.length} ` +
      'negatives',
  };
}

/**
 * Computes the variance of an AUC from the variance of its placements (DeLong, DeLong & Clarke-Pearson 1988), in one
 * pass over sorted rows (Sun & Xu 2014).
 */
function computeVariance(ranked: Ranked, value: number): number {
  const [numPositives, numNegatives] = [ranked.positives.length, ranked.negatives.length];
  let [below, positivesBelow] = [0, 0];
  let [positiveSquares, negativeSquares] = [0, 0];
  walkUp(ranked, (negatives, positives) => {
    // For a positive, the share of negatives below it; for a negative, the share of positives above it.
    positiveSquares += positives * ((below + negatives / 2) / numNegatives - value) ** 2;
    negativeSquares += negatives * ((numPositives - positivesBelow - positives / 2) / numPositives - value) ** 2;
    below += negatives;
    positivesBelow += positives;
  });
  return positiveSquares / (numPositives - 1) / numPositives + negativeSquares / (numNegatives - 1) / numNegatives;
}
