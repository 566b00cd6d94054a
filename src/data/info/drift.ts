import type { Tally } from './tally.js';

/** Values of train that are compared one by one; all others are compared together. */
const COMPARED = 100;
/** What is added to every count, so that a value that is missing somewhere does not make all others nothing. */
const SMOOTHING = 0.5;

/**
 * The population stability index of what a split holds against train: Σ (p − q) · ln(p / q) over the most frequent
 * values of train, all of its
 * others, and those that it has not. It is the symmetrized divergence of Kullback and Leibler; below 0.1 is called
 * stable, above 0.25
 * another population (Siddiqi 2006, Credit Risk Scorecards).
 * @returns undefined where either is empty
 */
export function driftOf(train: Tally, other: Tally): number | undefined {
  if (train.total === 0 || other.total === 0) return undefined;
  const frequent = [...train.keys].sort((a, b) => train.count(b) - train.count(a)).slice(0, COMPARED);
  const isFrequent = new Set(frequent);
  const groups = frequent.map((key) => [train.count(key), other.count(key)] as const);
  let [rareOfTrain, rareOfOther, unseen] = [0, 0, 0];
  for (const key of train.keys) if (!isFrequent.has(key)) rareOfTrain += train.count(key);
  for (const key of other.keys) {
    if (isFrequent.has(key)) continue;
    if (train.count(key) > 0) rareOfOther += other.count(key);
    else unseen += other.count(key);
  }
  const all = [...groups, [rareOfTrain, rareOfOther] as const, [0, unseen] as const].filter(([a, b]) => a + b > 0);
  const shareOf = (count: number, total: number): number => (count + SMOOTHING) / (total + SMOOTHING * all.length);
  return all.reduce((sum, [a, b]) => {
    const [p, q] = [shareOf(a, train.total), shareOf(b, other.total)];
    return sum + (p - q) * Math.log(p / q);
  }, 0);
}
