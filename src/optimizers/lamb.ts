import { z } from 'zod';
import { adam } from './adam.js';
import { commonOptions, defineOptimizer, epsilonOption } from './optimizer.js';

/**
 * LAMB (You et al. 2020, algorithm 2): scales Adam's step with decay to the norm of its tensor, unless one of the two
 * norms is 0. The tensor of a table is its row.
 */
export const lamb = defineOptimizer({
  name: 'lamb',
  kernel: 'lamb',
  unit: 'tensor',
  plausibleRates: [1e-6, 1],
  summary: 'LAMB: layer-wise trust ratios for very large batches',
  options: () => ({
    learningRate: commonOptions.learningRate,
    betas: adam.options().betas,
    epsilon: epsilonOption(1e-6),
    weightDecay: z.number().min(0).default(0.01).describe('Weight decay, added to the update'),
  }),

  build({ learningRate, betas, epsilon, weightDecay }) {
    const [beta1, beta2] = betas;
    const { slots } = adam.build({ learningRate, betas, epsilon, weightDecay: 0, l1: 0 });
    return {
      slots,
      learningRate,
      penalties: { l1: 0, l2: 0 },
      constants: (step, rate) => [
        1 - beta1,
        beta2,
        1 - beta2,
        1 / (1 - beta1 ** step),
        1 / Math.sqrt(1 - beta2 ** step),
        epsilon,
        weightDecay,
        rate,
      ],
    };
  },
});
