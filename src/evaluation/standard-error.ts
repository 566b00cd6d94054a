import type { Chunk } from './chunk.js';
import type { Scores } from './scores.js';

/** Influence of a row on a value: the derivative by the row's share of all rows, up to a constant. */
export type Influence = (label: number, prediction: number) => number;

/**
 * Computes the standard error of a smooth function of means over rows from the influence of each row (delta method;
 * Hampel 1974).
 * @param computeInfluence returns the influence function on some scores
 * @param other the same rows with other predictions: the result is then the standard error of the difference, which is
 * smaller if both find the same rows difficult
 */
export function influenceError(
  computeInfluence: (scores: Scores) => Influence,
  scores: Scores,
  other: Scores | undefined,
): number {
  const [influence, otherInfluence] = [
    computeInfluence(scores),
    other === undefined ? undefined : computeInfluence(other),
  ];
  const spread = createSpread();
  for (const [{ labels, predictions }, others] of pairChunks(scores, other)) {
    for (let row = 0; row < labels.length; row++) {
      const change = influence(labels[row]!, predictions[row]!);
      spread.add(
        otherInfluence === undefined ? change : change - otherInfluence(labels[row]!, others!.predictions[row]!),
      );
    }
  }
  return Math.sqrt(spread.variance() / scores.rows);
}

/** Iterates the chunks of some rows, paired with the chunks of other predictions of the same rows. */
export function* pairChunks(scores: Scores, other: Scores | undefined): Generator<readonly [Chunk, Chunk | undefined]> {
  const others = other?.[Symbol.iterator]();
  for (const chunk of scores) {
    const next = others?.next();
    if (next?.done === true || (next !== undefined && next.value.labels.length !== chunk.labels.length))
      throw new Error('the scores are not of the same rows');
    yield [chunk, next?.value];
  }
}

export interface Spread {
  add(value: number): void;
  /** Sample variance, with divisor n - 1. */
  variance(): number;
}

/** Creates a running variance (Welford 1962), which is accurate for large means. */
export function createSpread(): Spread {
  let [count, mean, squares] = [0, 0, 0];
  return {
    add(value) {
      const delta = value - mean;
      mean += delta / ++count;
      squares += delta * (value - mean);
    },
    variance: () => (count < 2 ? 0 : squares / (count - 1)),
  };
}
