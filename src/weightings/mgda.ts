import { z } from 'zod';
import { byGramian } from './by-gramian.js';
import { gramianAmong, computeGramian, computeNorms, scaledGramian } from './gramian.js';
import { simplexMinimum } from './simplex-minimum.js';
import { defineWeighting } from './weighting.js';

/**
 * MGDA (Désidéri 2012; Sener & Koltun, NeurIPS 2018, equation 3): the shortest vector among the means of the gradients.
 * No
 * term grows along it, and where it is 0 no step can better all of them. The paper finds it by Frank-Wolfe (algorithm
 * 2),
 * which comes near; here it is solved exactly.
 *
 * Gradients may be divided before by their norm, by the loss or by both, as in the authors' code; the weights then are
 * those
 * of the divided gradients, as in LibMTL (the authors' code puts them on the undivided ones). A term that would be
 * divided
 * by 0 has no say. The config's weights come on top.
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

    return byGramian((configWeights, seen) => {
      const size = configWeights.length;
      const gramian = computeGramian(seen);
      const divisor = divisors(seen.losses, computeNorms(gramian, size));
      const chosen = divisor.flatMap((value, i) => (value > 0 ? [i] : []));
      const among = scaledGramian(
        gramianAmong(gramian, size, chosen),
        chosen.map((i) => 1 / divisor[i]!),
      );
      const point = simplexMinimum(
        among,
        chosen.map(() => 0),
      );
      const weights = configWeights.map(() => 0);
      chosen.forEach((i, at) => (weights[i] = (configWeights[i]! * point[at]!) / divisor[i]!));
      return weights;
    });
  },
});
