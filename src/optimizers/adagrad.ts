import { z } from 'zod';
import { commonOptions, defineOptimizer, epsilonOption, learningRateOption } from './optimizer.js';

/** Adagrad (Duchi et al. 2011), as PyTorch's: step sizes shrink with the accumulated squared gradients. */
export const adagrad = defineOptimizer({
  name: 'adagrad',
  kernel: 'adagrad',
  unit: 'weight',
  plausibleRates: [1e-5, 1],
  summary: 'Adagrad: step sizes shrink with accumulated squared gradients',
  options: () => ({
    ...commonOptions,
    learningRate: learningRateOption(0.01),
    initialAccumulator: z.number().min(0).default(0).describe('Initial sum of squared gradients'),
    epsilon: epsilonOption(1e-10),
  }),

  build({ learningRate, weightDecay, l1, initialAccumulator, epsilon }) {
    return {
      slots: [{ name: 'squares', per: 'weight', first: initialAccumulator }],
      learningRate,
      penalties: { l1, l2: weightDecay },
      constants: (_, rate) => [rate, epsilon],
    };
  },
});
