/** Added to every count, so that a value that is absent from a sample does not dominate. */
const SMOOTHING = 0.5;

/**
 * Computes the population stability index of two samples: Σ (p − q) · ln(p / q) over groups of values, where p and q
 * are the shares of a group. It is the symmetrized Kullback–Leibler divergence; below 0.1 is stable, above 0.25 is
 * another population (Siddiqi 2006, Credit Risk Scorecards). Groups without a value in both samples do not count.
 * @param groups number of values of each group in the first and in the second sample
 */
export function stabilityIndex(groups: readonly (readonly [first: number, second: number])[]): number {
  const all = groups.filter(([first, second]) => first + second > 0);
  const totals = [0, 1].map((sample) => all.reduce((sum, counts) => sum + counts[sample]!, 0));
  const shareOf = (count: number, sample: number): number =>
    (count + SMOOTHING) / (totals[sample]! + SMOOTHING * all.length);
  return all.reduce((sum, [first, second]) => {
    const [p, q] = [shareOf(first, 0), shareOf(second, 1)];
    return sum + (p - q) * Math.log(p / q);
  }, 0);
}
