import { byGramian } from './by-gramian.js';
import { computeGramian, computeNorms } from './gramian.js';
import { defineWeighting } from './weighting.js';

/**
 * DB-MTL (Lin et al. 2023, arXiv:2308.12029, algorithm 1, with β = 0): the gradients of the log losses, each scaled to
 * the norm of the longest. The paper averages the gradients over steps first, which requires a copy of the shared
 * parameters per term; here the optimizer averages them. A term without a loss or a gradient is excluded. The result is
 * multiplied by the config's weights.
 */
export const dbMtl = defineWeighting({
  name: 'db-mtl',
  summary: 'DB-MTL: gradients of log losses at the norm of the longest (Lin et al. 2023)',
  options: () => ({}),

  build: () =>
    byGramian((configWeights, observation) => {
      const norms = computeNorms(computeGramian(observation), configWeights.length);
      const longest = Math.max(0, ...norms.map((norm, i) => logNorm(norm, observation.losses[i]!)));
      return configWeights.map((weight, i) =>
        logNorm(norms[i]!, observation.losses[i]!) > 0 ? (weight * longest) / norms[i]! : 0,
      );
    }),
});

/** Computes the norm of the gradient of the log of a loss; 0 if it has none. */
function logNorm(norm: number, loss: number): number {
  return loss > 0 ? norm / loss : 0;
}
