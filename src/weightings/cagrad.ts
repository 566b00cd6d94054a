import { z } from 'zod';
import { byGramian } from './by-gramian.js';
import { computeGramian, meanSquare, normOfSum, productsWith, scaledGramian } from './gramian.js';
import { simplexMinimum } from './active-set.js';
import { defineWeighting } from './weighting.js';

/** If the mean gradient is below this fraction of the gradients' norm, it has no direction. */
const NO_DIRECTION = 1e-6;

/**
 * CAGrad (Liu et al., NeurIPS 2021, algorithm 1): within a ball of radius c · |mean gradient| around the mean gradient,
 * finds the step that improves the worst term most. The dual is solved: the w of the simplex that minimizes g_w · g_0 +
 * c |g_0| |g_w| gives g_0 + c |g_0| g_w / |g_w|. Gradients include the config's weights. The authors' code divides the
 * result by 1 + c²; this does not.
 */
export const cagrad = defineWeighting({
  name: 'cagrad',
  summary: 'CAGrad: best step for the worst term near the mean gradient (Liu et al. 2021)',
  options: () => ({
    c: z
      .number()
      .min(0)
      .lt(1)
      .default(0.5)
      .describe('Conflict aversion; 0 averages the gradients, values near 1 approach MGDA'),
  }),

  build: ({ c }) =>
    byGramian((configWeights, observation) => {
      const gramian = scaledGramian(computeGramian(observation), configWeights);
      return conflictAverse(gramian, configWeights.length, c).map((part, i) => part * configWeights[i]!);
    }),
});

/** Returns the coefficients of the gradients in the step. */
function conflictAverse(products: Float64Array, size: number, c: number): number[] {
  const unit = meanSquare(products, size) || 1;
  const gramian = products.map((product) => product / unit);
  const mean = new Array<number>(size).fill(1 / size);
  const meanProducts = productsWith(gramian, mean);
  const radius = c * normOfSum(gramian, mean);
  if (radius < NO_DIRECTION ** 2) return mean;

  // |g_w| is the minimum of |g_w|² / 2t + t / 2 over t, at t = |g_w|. For a given t, w is the solution of a quadratic
  // program; as t grows, |g_w| / t falls.
  const pointAt = (t: number): Point => {
    const w = simplexMinimum(
      gramian,
      meanProducts.map((product) => (product * t) / radius),
    );
    return { t, w, norm: normOfSum(gramian, w) };
  };
  let [low, high] = [pointAt(0), pointAt(Math.sqrt(size))];
  for (let round = 0; round < 100 && high.t > NO_DIRECTION && Math.abs(high.norm - high.t) > 1e-12 * high.t; round++) {
    const next = pointAt(round % 2 === 0 ? crossing(gramian, low, high) : (low.t + high.t) / 2);
    if (next.norm > next.t * (1 + 1e-13)) low = next;
    else high = next;
  }
  return high.norm < NO_DIRECTION ? mean : high.w.map((value, i) => mean[i]! + (radius / high.norm) * value);
}

interface Point {
  readonly t: number;
  readonly w: readonly number[];
  readonly norm: number;
}

/** Finds the t between two points at which |g_w| = t, if w is linear in between: true while the same entries are 0. */
function crossing(gramian: Float64Array, low: Point, high: Point): number {
  const product = productsWith(gramian, low.w).reduce((sum, value, i) => sum + value * high.w[i]!, 0) - low.t * high.t;
  const [atLow, atHigh] = [low.norm ** 2 - low.t ** 2, high.norm ** 2 - high.t ** 2];
  // |g_w|² - t² = atLow (1 - s)² + 2 product s (1 - s) + atHigh s², which is ≥ 0 at s = 0 and ≤ 0 at s = 1.
  const root = Math.sqrt(Math.max(0, product ** 2 - atLow * atHigh));
  const share = atLow / (atLow - product + root);
  return share > 0 && share < 1 ? low.t + share * (high.t - low.t) : (low.t + high.t) / 2;
}
