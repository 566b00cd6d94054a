import { z } from 'zod';
import { adagrad } from './adagrad.js';
import { commonOptions, defineOptimizer, epsilonOption, learningRateOption } from './optimizer.js';

/**
 * Adagrad with one accumulator per row: the sum of the mean squares of the row's gradients. As FBGEMM's
 * EXACT_ROWWISE_ADAGRAD (https://github.com/pytorch/FBGEMM) and DLRM (Naumov et al. 2019).
 */
export const rowWiseAdagrad = defineOptimizer({
  name: 'row-wise-adagrad',
  kernel: 'rowWiseAdagrad',
  unit: 'row',
  plausibleRates: [1e-5, 1],
  denseInstead: adagrad.name,
  summary: 'Adagrad with one accumulator per row, for large embedding tables',
  options: () => ({
    ...commonOptions,
    learningRate: learningRateOption(0.01),
    initialAccumulator: z.number().min(0).default(0).describe('Initial sum of mean squared gradients'),
    epsilon: epsilonOption(1e-8),
  }),

  build({ learningRate, weightDecay, l1, initialAccumulator, epsilon }) {
    return {
      slots: [{ name: 'squares', per: 'row', first: initialAccumulator }],
      learningRate,
      penalties: { l1, l2: weightDecay },
      constants: (_, rate) => [rate, epsilon],
    };
  },
});
