import { byGramian } from './by-gramian.js';
import { computeGramian, computeNorms, limitNorm, scaledGramian, selectGramian } from './gramian.js';
import { symmetricEigen } from './symmetric-eigen.js';
import { defineWeighting } from './weighting.js';

/** An eigenvalue below this fraction of the largest, per term, is rounding noise: gradients are single precision. */
const ROUNDING = 1e-12;
/** A sum of the coefficients below this, times the longest norm, is treated as 0. */
const SMALLEST_SUM = 1e-12;

/**
 * IMTL-G (Liu et al., ICLR 2021, equation 5): the step has the same projection onto every gradient, and its
 * coefficients sum to 1. With the cosines C and the norms d, the coefficients are proportional to C⁻¹1 / d; as in
 * torchjd, C⁻¹ is a pseudo-inverse. If the sum of the coefficients approaches 0 or is negative, dividing by it gives an
 * arbitrarily long step or one that increases all losses: here the step keeps its direction and is at most as long as
 * the longest gradient. A term without a gradient is excluded. The result is multiplied by the config's weights.
 */
export const imtlG = defineWeighting({
  name: 'imtl-g',
  summary: 'IMTL-G: equal projections of the step onto all gradients (Liu et al. 2021)',
  options: () => ({}),

  build: () =>
    byGramian((configWeights, observation) => {
      const size = configWeights.length;
      const gramian = computeGramian(observation);
      const norms = computeNorms(gramian, size);
      const selection = norms.flatMap((norm, i) => (norm > 0 ? [i] : []));
      const inverseNorms = selection.map((i) => 1 / norms[i]!);
      const cosines = scaledGramian(selectGramian(gramian, size, selection), inverseNorms);
      const parts = configWeights.map(() => 0);
      for (const [index, solution] of solveOnes(cosines, selection.length).entries())
        parts[selection[index]!] = solution * inverseNorms[index]!;
      const sum = parts.reduce((total, part) => total + part, 0);
      const longest = Math.max(...norms);
      const divisor = Math.max(sum, SMALLEST_SUM / longest);
      const step = parts.map((part) => (part === 0 ? 0 : part / divisor));
      return limitNorm(gramian, step, longest).map((part, i) => part * configWeights[i]!);
    }),
});

/** Returns the product of the pseudo-inverse of a symmetric positive semidefinite matrix with a vector of ones. */
function solveOnes(matrix: Float64Array, size: number): number[] {
  const eigen = symmetricEigen(matrix, size);
  const solution = new Array<number>(size).fill(0);
  for (const { value, vector } of eigen) {
    if (value <= eigen[0]!.value * ROUNDING * size) continue;
    const part = vector.reduce((sum, entry) => sum + entry, 0) / value;
    vector.forEach((entry, i) => (solution[i]! += part * entry));
  }
  return solution;
}
