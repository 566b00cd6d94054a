import { z } from 'zod';
import { byGramian } from './by-gramian.js';
import { computeGramian } from './gramian.js';
import { symmetricEigen, type Eigen } from './symmetric-eigen.js';
import { defineWeighting } from './weighting.js';

/** An eigenvalue below this part of the largest, for each term, is rounding: gradients come in single floats. */
const ROUNDING = 1e-12;

/**
 * Aligned-MTL (Senushkin et al., CVPR 2023, algorithm 1): the gradients are replaced by the nearest ones that are
 * orthogonal
 * and of one length, and these are summed with the config's weights over T. With GᵀG = V Λ Vᵀ, α = √λ · V Λ^(-1/2) Vᵀ
 * w, where
 * λ is the least eigenvalue; the authors' code offers the median and the mean as well, which make longer steps.
 */
export const alignedMtl = defineWeighting({
  name: 'aligned-mtl',
  summary: 'Aligned-MTL: orthogonal gradients of equal norm (Senushkin et al. 2023)',
  options: () => ({
    scaleMode: z.enum(['min', 'median', 'mean']).default('min').describe("Eigenvalue that sets the step's length"),
  }),

  build({ scaleMode }) {
    const scaleOf = (values: readonly number[]): number => {
      if (scaleMode === 'mean') return values.reduce((sum, value) => sum + value, 0) / values.length;
      return scaleMode === 'min' ? values.at(-1)! : values[Math.floor(values.length / 2)]!;
    };

    return byGramian((configWeights, seen) => {
      const preference = configWeights.map((weight, _, { length }) => weight / length);
      const eigen = symmetricEigen(computeGramian(seen), preference.length);
      const [largest] = eigen;
      const kept = eigen.filter(({ value }) => value > largest!.value * ROUNDING * preference.length);
      return kept.length === 0 ? preference : aligned(kept, scaleOf(kept.map(({ value }) => value)), preference);
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
