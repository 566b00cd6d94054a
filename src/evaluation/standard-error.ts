import type { Chunk } from './chunk.js';
import type { Scores } from './scores.js';

/**
 * How much a row moves a number: that number's derivative by the row's share of all rows, less what is the same for all
 * rows.
 */
export type Influence = (label: number, prediction: number) => number;

/**
 * Standard error of a number that is smooth in means over rows, from the influence of each row (the delta method;
 * Hampel 1974).
 * @param influenceOf of the number on some scores
 * @param other of the same rows with other predictions: the error is then that of the difference of the two numbers,
 * which is smaller the more
 *   the two agree on which rows are hard
 */
export function influenceError(
  influenceOf: (scores: Scores) => Influence,
  scores: Scores,
  other: Scores | undefined,
): number {
  const [influence, otherInfluence] = [influenceOf(scores), other === undefined ? undefined : influenceOf(other)];
  const spread = createSpread();
  for (const [{ labels, predictions }, others] of sideBySide(scores, other)) {
    for (let row = 0; row < labels.length; row++) {
      const moved = influence(labels[row]!, predictions[row]!);
      spread.add(
        otherInfluence === undefined ? moved : moved - otherInfluence(labels[row]!, others!.predictions[row]!),
      );
    }
  }
  return Math.sqrt(spread.variance() / scores.rows);
}

/** The chunks of some rows, with those of other predictions of the same rows where there are some. */
export function* sideBySide(scores: Scores, other: Scores | undefined): Generator<readonly [Chunk, Chunk | undefined]> {
  const others = other?.[Symbol.iterator]();
  for (const chunk of scores) {
    const next = others?.next();
    if (next?.done === true || (next !== undefined && next.value.labels.length !== chunk.labels.length))
      throw new Error('the scores are not of the same rows');
    yield [chunk, next?.value];
  }
}

/** How far numbers lie apart. */
export interface Spread {
  add(value: number): void;
  /** Over one less than there are. */
  variance(): number;
}

/** Begins with no number (Welford 1962: nothing is lost where the mean is large). */
export function createSpread(): Spread {
  let [count, mean, squares] = [0, 0, 0];
  return {
    add(value) {
      const from = value - mean;
      mean += from / ++count;
      squares += from * (value - mean);
    },
    variance: () => (count < 2 ? 0 : squares / (count - 1)),
  };
}
