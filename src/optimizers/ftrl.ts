import { z } from 'zod';
import { defineOptimizer, learningRateOption } from './optimizer.js';

/** A smaller sum of squares underflows in single precision. */
const MIN_DENOMINATOR = 1e-30;

/**
 * FTRL-Proximal (McMahan et al. 2013, algorithm 1); alpha is the learning rate. A weight is a function of its state: 0
 * if |z| ≤ `l1`, otherwise learning rate × (sign(z) l1 - z) / (beta + square root of the squares + learning rate × l2).
 */
export const ftrl = defineOptimizer({
  name: 'ftrl',
  kernel: 'ftrl',
  unit: 'weight',
  plausibleRates: [1e-4, 10],
  summary: 'FTRL-Proximal: sparse weights through L1',
  options: () => ({
    learningRate: learningRateOption(0.1),
    beta: z
      .number()
      .min(0)
      .default(1)
      .describe('Constant added to the square root of squared gradients; damps initial steps'),
    l1: z.number().min(0).default(0).describe('L1 strength; larger values zero more weights'),
    l2: z.number().min(0).default(0).describe('L2 strength of the rule'),
    initialAccumulator: z.number().min(0).default(0).describe('Initial sum of squared gradients'),
  }),

  *check({ beta, initialAccumulator }) {
    if (beta < MIN_DENOMINATOR && initialAccumulator < MIN_DENOMINATOR)
      yield {
        path: ['beta'],
        message:
          'expected a value above 0 if initialAccumulator is 0, since the first step would divide by 0; set beta: 1',
      };
  },

  build({ learningRate, beta, l1, l2, initialAccumulator }) {
    return {
      slots: [
        { name: 'linear', per: 'weight', first: 0 },
        { name: 'squares', per: 'weight', first: initialAccumulator },
      ],
      learningRate,
      // The rule's own penalties act on the sum of gradients, not on each gradient.
      penalties: { l1: 0, l2: 0 },
      constants: (_, rate) => [rate, beta, l1, l2],
    };
  },
});
