import { z } from 'zod';
import { byGramian } from './by-gramian.js';
import { choleskySolver } from './cholesky.js';
import { selectGramian, computeGramian, normOfSum, computeNorms, productsWith, scaledGramian } from './gramian.js';
import { defineWeighting } from './weighting.js';

/**
 * Nash-MTL (Navon et al., ICML 2022): the Nash bargaining solution of the terms, GᵀG α = 1 / α (claim 3.1). A term's
 * contribution does not depend on the scale of its loss. The paper approximates α by a sequence of convex programs
 * (section 3.2); here Newton's method minimizes ½ αᵀ GᵀG α - Σ log α, whose gradient is that equation. The step has
 * norm √T, whatever the norms of the gradients; as in the authors' code it is limited to `maxNorm`.
 *
 * A term without a gradient is excluded. If terms conflict exactly there is no solution; a ridge of 1e-8 keeps the
 * weights finite. The result is multiplied by the config's weights.
 */
export const nashMtl = defineWeighting({
  name: 'nash-mtl',
  summary: 'Nash-MTL: Nash bargaining solution, invariant to loss scales (Navon et al. 2022)',
  options: () => ({
    maxNorm: z.number().min(0).default(1).describe('Maximum norm of the shared step; 0 disables the limit'),
  }),

  build: ({ maxNorm }) =>
    byGramian((configWeights, observation) => {
      const size = configWeights.length;
      const gramian = computeGramian(observation);
      const norms = computeNorms(gramian, size);
      const selection = norms.flatMap((norm, i) => (norm > 0 ? [i] : []));
      const cosines = scaledGramian(
        selectGramian(gramian, size, selection),
        selection.map((i) => 1 / norms[i]!),
      );
      const bargain = configWeights.map(() => 0);
      solveBargain(cosines, selection.length).forEach(
        (part, index) => (bargain[selection[index]!] = part / norms[selection[index]!]!),
      );

      const length = normOfSum(gramian, bargain);
      const cut = maxNorm > 0 && length > maxNorm ? maxNorm / length : 1;
      return configWeights.map((weight, i) => weight * bargain[i]! * cut);
    }),
});

/**
 * Solves cosines · x = 1 / x for x > 0, where gradients have norm 1, so that x = 1 is a good start. Newton steps are
 * damped by 1 / (1 + decrement), which keeps x > 0 and always converges, because the function is self-concordant
 * (Nesterov & Nemirovskii 1994).
 */
function solveBargain(cosines: Float64Array, size: number): number[] {
  const ridged = cosines.slice();
  for (let i = 0; i < size; i++) ridged[i * size + i]! += 1e-8;
  let x = new Array<number>(size).fill(1);
  for (let round = 0; round < 200; round++) {
    const slopes = productsWith(ridged, x).map((product, i) => product - 1 / x[i]!);
    const curvature = ridged.slice();
    for (let i = 0; i < size; i++) curvature[i * size + i]! += 1 / x[i]! ** 2;
    const direction = choleskySolver(curvature, size)(slopes);
    const decrement = Math.sqrt(
      Math.max(
        0,
        slopes.reduce((sum, slope, i) => sum + slope * direction[i]!, 0),
      ),
    );
    const step = decrement < 0.25 ? 1 : 1 / (1 + decrement);
    x = x.map((value, i) => value - step * direction[i]!);
    if (decrement < 1e-9) break;
  }
  return x;
}
