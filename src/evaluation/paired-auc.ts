import { orderBits, type Ranked } from './ranked.js';
import type { Scores } from './scores.js';
import { createSpread, pairChunks } from './standard-error.js';

/**
 * Computes the variance of the difference between the AUCs of two predictions of the same rows (DeLong, DeLong &
 * Clarke-Pearson 1988), from the differences of placements per class. Placements are looked up in sorted rows, with
 * four bytes per row and prediction. Requires two rows per class.
 */
export function pairedVariance(scores: Scores, other: Scores): number {
  const [placement, otherPlacement] = [createPlacement(scores.ranked()), createPlacement(other.ranked())];
  const [positiveSpread, negativeSpread] = [createSpread(), createSpread()];
  for (const [{ labels, predictions }, others] of pairChunks(scores, other)) {
    for (let row = 0; row < labels.length; row++) {
      const isPositive = labels[row] === 1;
      (isPositive ? positiveSpread : negativeSpread).add(
        placement(isPositive, predictions[row]!) - otherPlacement(isPositive, others!.predictions[row]!),
      );
    }
  }
  const { positives, negatives } = scores.ranked();
  return positiveSpread.variance() / positives.length + negativeSpread.variance() / negatives.length;
}

/**
 * Returns a function for placements: for a positive, the share of negatives below it; for a negative, of positives
 * above it; ties count half.
 */
function createPlacement({ positives, negatives }: Ranked): (isPositive: boolean, prediction: number) => number {
  const key = new Uint32Array(1);
  const float = new Float32Array(key.buffer);
  return (isPositive, prediction) => {
    // Adding 0 converts -0 to 0, as during sorting.
    float[0] = prediction + 0;
    orderBits(key);
    const others = isPositive ? negatives : positives;
    const [below, notAbove] = [countBelow(others, key[0]!), countBelow(others, key[0]! + 1)];
    const share = (below + notAbove) / 2 / others.length;
    return isPositive ? share : 1 - share;
  };
}

/** Counts elements of a sorted array below a limit. */
function countBelow(sorted: Uint32Array, limit: number): number {
  let [begin, end] = [0, sorted.length];
  while (begin < end) {
    const middle = (begin + end) >>> 1;
    if (sorted[middle]! < limit) begin = middle + 1;
    else end = middle;
  }
  return begin;
}
