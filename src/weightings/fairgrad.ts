import { z } from 'zod';
import { byGramian } from './by-gramian.js';
import { solveFairShares } from './fair-shares.js';
import { computeGramian, limitNorm } from './gramian.js';
import { defineWeighting } from './weighting.js';

/**
 * FairGrad (Ban & Ji, ICML 2024, equation 4): maximizes the α-fair utility of the decreases of the losses. The weights
 * w satisfy GᵀG w = w^(-1/α). As in the authors' code, the length of the step is limited to `maxNorm`: with α other
 * than 1 it depends on the norms of the gradients. The result is multiplied by the config's weights.
 */
export const fairgrad = defineWeighting({
  name: 'fairgrad',
  summary: 'FairGrad: α-fair decreases of the losses (Ban & Ji 2024)',
  options: () => ({
    alpha: z
      .number()
      .min(0.1)
      .max(10)
      .default(1)
      .describe('Fairness: 1 is proportional fairness; larger values favor the term that decreases least'),
    maxNorm: z.number().min(0).default(1).describe('Maximum norm of the shared step; 0 disables the limit'),
  }),

  build: ({ alpha, maxNorm }) =>
    byGramian((configWeights, observation) => {
      const gramian = computeGramian(observation);
      const shares = solveFairShares(gramian, configWeights.length, 1 / alpha);
      return limitNorm(gramian, shares, maxNorm || Infinity).map((share, i) => share * configWeights[i]!);
    }),
});
