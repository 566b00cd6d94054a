import { z } from 'zod';
import { countAtMost } from './count-at-most.js';
import { normalQuantile } from './normal-quantile.js';
import { Quantiles } from './quantiles.js';

/** Maximum number of quantiles, as in scikit-learn. */
const MAX_QUANTILES = 1000;
/** Smallest distance of a rank from 0 and 1 before it becomes a normal quantile, as in scikit-learn. */
export const MIN_TAIL = 1e-7 - 2 ** -52;

/**
 * The rank of a number in the training set, from 0 to 1, or the normal quantile of the rank, as scikit-learn's
 * `QuantileTransformer`. `quantiles` are at equally spaced ranks, in non-decreasing order.
 */
export interface RankStep {
  readonly kind: 'rank';
  readonly quantiles: readonly number[];
  readonly isNormal: boolean;
}

/** Distinct quantiles, and the rank between two of them as a line: `starts + (x - knots) · slopes`. */
export interface RankLines {
  readonly knots: readonly number[];
  /** Rank at each knot: the mean of its lowest and its highest, but 0 for the first and 1 for the last. */
  readonly middles: readonly number[];
  readonly starts: readonly number[];
  /** 0 for the last. */
  readonly slopes: readonly number[];
}

const fittedSchema = z.strictObject({
  quantiles: z
    .array(z.number())
    .min(1)
    .refine((quantiles) => quantiles.every((value, i) => i === 0 || value >= quantiles[i - 1]!)),
});

/** Accumulates the quantiles of numbers, exact for up to 65,536 distinct numbers. */
export function startRankFit(): {
  readonly observeAll: (values: Float64Array, begin: number, end: number) => void;
  readonly finish: () => unknown;
} {
  const quantiles = new Quantiles();
  return {
    observeAll: (values, begin, end) => quantiles.observeAll(values, begin, end),
    finish: () => ({ quantiles: quantiles.spaced(MAX_QUANTILES) }),
  };
}

/**
 * Returns the step for fitted quantiles.
 * @throws ZodError if `fitted` is not a result of the fit
 */
export function rankStep(fitted: unknown, isNormal: boolean): RankStep {
  return { kind: 'rank', quantiles: fittedSchema.parse(fitted).quantiles, isNormal };
}

/** Computes the lines between distinct quantiles. */
export function rankLines(quantiles: readonly number[]): RankLines {
  const rank = (i: number): number => (quantiles.length === 1 ? 0 : i / (quantiles.length - 1));
  const [lowest, highest] = [new Map<number, number>(), new Map<number, number>()];
  for (const [i, value] of quantiles.entries()) {
    if (!lowest.has(value)) lowest.set(value, rank(i));
    highest.set(value, rank(i));
  }
  const knots = [...lowest.keys()];
  const last = knots.length - 1;
  const starts = [...highest.values()];
  return {
    knots,
    middles: knots.map((knot, i) => (i === 0 ? 0 : i === last ? 1 : (lowest.get(knot)! + starts[i]!) / 2)),
    starts,
    slopes: knots.map((knot, i) =>
      i === last ? 0 : (lowest.get(knots[i + 1]!)! - starts[i]!) / (knots[i + 1]! - knot),
    ),
  };
}

/** Returns the function of a step. Numbers beyond the first and last quantile have their ranks. */
export function applyRank({ quantiles, isNormal }: RankStep): (value: number) => number {
  const { knots, middles, starts, slopes } = rankLines(quantiles);
  const findRank = (value: number): number => {
    const i = countAtMost(knots, value) - 1;
    if (i < 0) return 0;
    if (value === knots[i]) return middles[i]!;
    return i === knots.length - 1 ? 1 : starts[i]! + (value - knots[i]!) * slopes[i]!;
  };
  if (!isNormal) return findRank;
  return (value) => normalQuantile(Math.min(Math.max(findRank(value), MIN_TAIL), 1 - MIN_TAIL));
}
