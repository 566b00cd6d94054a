import { z } from 'zod';
import { byGramian } from './by-gramian.js';
import { computeGramian } from './gramian.js';
import { symmetricEigen, type Eigen } from './symmetric-eigen.js';
import { defineWeighting } from './weighting.js';

/** An eigenvalue below this fraction of the largest, per term, is rounding noise: gradients are single precision. */
const ROUNDING = 1e-12;

/**
 * Aligned-MTL (Senushkin et al., CVPR 2023, algorithm 1): replaces the gradients by the nearest orthogonal ones of
 * equal norm, and sums these with the config's weights over T. With GᵀG = V Λ Vᵀ, α = √λ · V Λ^(-1/2) Vᵀ w, where λ is
 * the smallest eigenvalue. As in the authors' code, the median and the mean are options; they give longer steps.
 */
export const alignedMtl = defineWeighting({
  name: 'aligned-mtl',
  summary: 'Aligned-MTL: orthogonal gradients of equal norm (Senushkin et al. 2023)',
  options: () => ({
    scaleMode: z.enum(['min', 'median', 'mean']).default('min').describe("Eigenvalue that sets the step's length"),
  }),

  build({ scaleMode }) {
    const computeScale = (values: readonly number[]): number => {
      if (scaleMode === 'mean') return values.reduce((sum, value) => sum + value, 0) / values.length;
      return scaleMode === 'min' ? values.at(-1)! : values[Math.floor(values.length / 2)]!;
    };

    return byGramian((configWeights, observation) => {
      const preference = configWeights.map((weight, _, { length }) => weight / length);
      const eigen = symmetricEigen(computeGramian(observation), preference.length);
      const [largest] = eigen;
      const nonzero = eigen.filter(({ value }) => value > largest!.value * ROUNDING * preference.length);
      return nonzero.length === 0
        ? preference
        : aligned(nonzero, computeScale(nonzero.map(({ value }) => value)), preference);
    });
  },
});

/** √scale · V Λ^(-1/2) Vᵀ · preference. */
function aligned(eigen: readonly Eigen[], scale: number, preference: readonly number[]): number[] {
  const weights = preference.map(() => 0);
  for (const { value, vector } of eigen) {
    const part = Math.sqrt(scale / value) * vector.reduce((sum, entry, i) => sum + entry * preference[i]!, 0);
    vector.forEach((entry, i) => (weights[i]! += part * entry));
  }
  return weights;
}
