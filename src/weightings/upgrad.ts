import { nonnegativeMinimum } from './active-set.js';
import { byGramian } from './by-gramian.js';
import { computeGramian, productsWith } from './gramian.js';
import { defineWeighting } from './weighting.js';

/**
 * UPGrad (Quinton & Rey 2024, arXiv:2406.16232, equation 4): projects each gradient onto the cone of steps that
 * increase no loss, and sums the projections with the config's weights over T. The coefficients of a projection
 * minimize vᵀ·GᵀG·v over v ≥ u, with u the coefficients of the gradient (proposition 1). torchjd adds a ridge of 1e-4
 * of the total norm; this is solved exactly.
 */
export const upgrad = defineWeighting({
  name: 'upgrad',
  summary: 'UPGrad: mean of gradients projected to conflict with none (Quinton & Rey 2024)',
  options: () => ({}),

  build: () =>
    byGramian((configWeights, observation) => {
      const gramian = computeGramian(observation);
      const weights = configWeights.map(() => 0);
      configWeights.forEach((weight, i) => {
        const own = configWeights.map((_, j) => (j === i ? weight / configWeights.length : 0));
        const added = nonnegativeMinimum(gramian, productsWith(gramian, own));
        added.forEach((value, j) => (weights[j]! += own[j]! + value));
      });
      return weights;
    }),
});
