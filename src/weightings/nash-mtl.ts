import { z } from 'zod';
import { byGramian } from './by-gramian.js';
import { solveFairShares } from './fair-shares.js';
import { computeGramian, limitNorm } from './gramian.js';
import { defineWeighting } from './weighting.js';

/**
 * Nash-MTL (Navon et al., ICML 2022): the Nash bargaining solution of the terms, GᵀG α = 1 / α (claim 3.1). A term's
 * contribution does not depend on the scale of its loss. The paper approximates α by a sequence of convex programs
 * (section 3.2); here it is solved exactly. The step has norm √T, whatever the norms of the gradients; as in the
 * authors' code it is limited to `maxNorm`.
 *
 * A term without a gradient is excluded. If terms conflict exactly there is no solution; a ridge keeps the weights
 * finite. The result is multiplied by the config's weights.
 */
export const nashMtl = defineWeighting({
  name: 'nash-mtl',
  summary: 'Nash-MTL: Nash bargaining solution, invariant to loss scales (Navon et al. 2022)',
  options: () => ({
    maxNorm: z.number().min(0).default(1).describe('Maximum norm of the shared step; 0 disables the limit'),
  }),

  build: ({ maxNorm }) =>
    byGramian((configWeights, observation) => {
      const gramian = computeGramian(observation);
      const bargain = solveFairShares(gramian, configWeights.length, 1);
      return limitNorm(gramian, bargain, maxNorm || Infinity).map((part, i) => part * configWeights[i]!);
    }),
});
