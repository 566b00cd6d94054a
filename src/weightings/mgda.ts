import { z } from 'zod';
import { byGramian } from './by-gramian.js';
import { selectGramian, computeGramian, computeNorms, scaledGramian } from './gramian.js';
import { simplexMinimum } from './active-set.js';
import { defineWeighting } from './weighting.js';

/**
 * MGDA (Désidéri 2012; Sener & Koltun, NeurIPS 2018, equation 3): the minimum-norm convex combination of the gradients.
 * No term increases along it; if it is 0, no step improves all terms. The paper approximates it by Frank-Wolfe
 * (algorithm 2); here it is solved exactly.
 *
 * Gradients may first be divided by their norm, by the loss or by both, as in the authors' code. The weights are then
 * the weights of the divided gradients, as in LibMTL; the authors' code applies them to the undivided ones. A term with
 * divisor 0 is excluded. The result is multiplied by the config's weights.
 */
export const mgda = defineWeighting({
  name: 'mgda',
  summary: 'MGDA: minimum-norm convex combination of gradients (Sener & Koltun 2018)',
  options: () => ({
    normalization: z
      .enum(['none', 'l2', 'loss', 'loss+'])
      .default('none')
      .describe('Divisor of each gradient; loss+ is loss times norm'),
  }),

  build({ normalization }) {
    const divisors = (losses: readonly number[], norms: readonly number[]): readonly number[] => {
      if (normalization === 'none') return norms.map(() => 1);
      if (normalization === 'l2') return norms;
      return normalization === 'loss' ? losses : losses.map((loss, i) => loss * norms[i]!);
    };

    return byGramian((configWeights, observation) => {
      const size = configWeights.length;
      const gramian = computeGramian(observation);
      const divisor = divisors(observation.losses, computeNorms(gramian, size));
      const selection = divisor.flatMap((value, i) => (value > 0 ? [i] : []));
      const selectedGramian = scaledGramian(
        selectGramian(gramian, size, selection),
        selection.map((i) => 1 / divisor[i]!),
      );
      const point = simplexMinimum(
        selectedGramian,
        selection.map(() => 0),
      );
      const weights = configWeights.map(() => 0);
      selection.forEach((i, index) => (weights[i] = (configWeights[i]! * point[index]!) / divisor[i]!));
      return weights;
    });
  },
});
