import { z } from 'zod';
import { commonOptions, defineOptimizer, epsilonOption } from './optimizer.js';

const beta = z.number().min(0).lt(1);

/**
 * Adam (Kingma & Ba 2015, algorithm 1), as PyTorch's: weight decay is added to the gradient (L2), epsilon to the square
 * root of the corrected second moment.
 */
export const adam = defineOptimizer({
  name: 'adam',
  kernel: 'adam',
  unit: 'weight',
  plausibleRates: [1e-6, 0.1],
  summary: 'Adam with optional L2 inside the gradient',
  options: () => ({
    ...commonOptions,
    betas: z.tuple([beta, beta]).default([0.9, 0.999]).describe('Decay rates of the first and second moments'),
    epsilon: epsilonOption(1e-8),
  }),

  build({ learningRate, betas: [beta1, beta2], epsilon, weightDecay, l1 }) {
    return {
      slots: [
        { name: 'firstMoment', per: 'weight', first: 0 },
        { name: 'secondMoment', per: 'weight', first: 0 },
      ],
      learningRate,
      penalties: { l1, l2: weightDecay },
      constants: (step, rate) => [
        1 - beta1,
        beta2,
        1 - beta2,
        rate / (1 - beta1 ** step),
        1 / Math.sqrt(1 - beta2 ** step),
        epsilon,
        0,
      ],
    };
  },
});
