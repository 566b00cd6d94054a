import { z } from 'zod';
import { byGramian } from './by-gramian.js';
import { choleskySolver } from './cholesky.js';
import { gramianAmong, computeGramian, normOfSum, computeNorms, productsWith, scaledGramian } from './gramian.js';
import { defineWeighting } from './weighting.js';

/**
 * Nash-MTL (Navon et al., ICML 2022): the bargain that the terms strike when each wants the step for itself, GᵀG α = 1
 * / α
 * (claim 3.1). A term's part of the step does not depend on the scale of its loss. The paper comes near α by a sequence
 * of
 * convex programs (section 3.2); here it is the least point of ½ αᵀ GᵀG α - Σ log α, whose slope is that equation, by
 * Newton's method. The step has the length √T, however long the gradients are; as in the authors' code it is cut to
 * `maxNorm`.
 *
 * A term without a gradient takes no part. Where terms pull exactly against each other there is no bargain; a ridge of
 * 1e-8
 * keeps the weights finite. The config's weights come on top.
 */
export const nashMtl = defineWeighting({
  name: 'nash-mtl',
  summary: 'Nash-MTL: Nash bargaining solution, invariant to loss scales (Navon et al. 2022)',
  options: () => ({
    maxNorm: z.number().min(0).default(1).describe('Maximum norm of the shared step; 0 disables the limit'),
  }),

  build: ({ maxNorm }) =>
    byGramian((configWeights, seen) => {
      const size = configWeights.length;
      const gramian = computeGramian(seen);
      const norms = computeNorms(gramian, size);
      const chosen = norms.flatMap((norm, i) => (norm > 0 ? [i] : []));
      const cosines = scaledGramian(
        gramianAmong(gramian, size, chosen),
        chosen.map((i) => 1 / norms[i]!),
      );
      const bargain = configWeights.map(() => 0);
      bargainOf(cosines, chosen.length).forEach((part, at) => (bargain[chosen[at]!] = part / norms[chosen[at]!]!));

      const length = normOfSum(gramian, bargain);
      const cut = maxNorm > 0 && length > maxNorm ? maxNorm / length : 1;
      return configWeights.map((weight, i) => weight * bargain[i]! * cut);
    }),
});

/**
 * Solves cosines · x = 1 / x for x > 0. With gradients of length 1, for which the start x = 1 is right but for their
 * angles.
 * Newton's steps are damped by 1 / (1 + decrement), which keeps x > 0 and always converges, since the function is
 * self-concordant (Nesterov & Nemirovskii 1994).
 */
function bargainOf(cosines: Float64Array, size: number): number[] {
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
