import type { Tally } from './tally.js';

/** AUC of a field alone from which on it is likely to know the label. */
export const LEAK_AUC = 0.98;

/** Rows that a value must have for its rate to count as much as that of all rows. */
const PRIOR_ROWS = 10;

/** Where the sums of a label stand in a tally: its rows, and how many of them are 1. */
export interface LabelSums {
  readonly rows: number;
  readonly positives: number;
}

/**
 * How well a field alone predicts a label: the AUC of the rate that each value had on train (drawn a little to that of
 * all rows, so that rare ones do not
 * count too much), measured on rows that it was not taken from. Ties count half.
 * @returns undefined where the other rows are all of one class
 */
export function aucOfRates(train: Tally, other: Tally, { rows, positives }: LabelSums): number | undefined {
  const [allRows, allPositives] = train.keys.reduce(
    ([r, p], key) => [r + train.sum(key, rows), p + train.sum(key, positives)],
    [0, 0],
  );
  if (allRows === 0) return undefined;
  const rate = allPositives / allRows;
  const scoreOf = (key: number): number =>
    (train.sum(key, positives) + PRIOR_ROWS * rate) / (train.sum(key, rows) + PRIOR_ROWS);
  const values = other.keys
    .map((key) => ({
      score: scoreOf(key),
      positives: other.sum(key, positives),
      negatives: other.sum(key, rows) - other.sum(key, positives),
    }))
    .sort((a, b) => a.score - b.score);
  let [below, pairs] = [0, 0];
  for (let i = 0; i < values.length;) {
    let [tiedPositives, tiedNegatives] = [0, 0];
    for (const { score } = values[i]!; i < values.length && values[i]!.score === score; i++) {
      tiedPositives += values[i]!.positives;
      tiedNegatives += values[i]!.negatives;
    }
    pairs += tiedPositives * (below + tiedNegatives / 2);
    below += tiedNegatives;
  }
  const ones = values.reduce((sum, value) => sum + value.positives, 0);
  return ones === 0 || below === 0 ? undefined : pairs / (ones * below);
}
