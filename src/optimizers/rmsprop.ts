import { z } from 'zod';
import { commonOptions, defineOptimizer, epsilonOption, learningRateOption } from './optimizer.js';

/**
 * RMSprop (Tieleman & Hinton 2012), as PyTorch's: epsilon is added outside the square root, momentum applies to the
 * scaled gradient.
 */
export const rmsprop = defineOptimizer({
  name: 'rmsprop',
  kernel: 'rmsprop',
  unit: 'weight',
  plausibleRates: [1e-6, 0.1],
  summary: 'RMSprop: gradients divided by their root mean square',
  options: () => ({
    ...commonOptions,
    learningRate: learningRateOption(0.01),
    alpha: z.number().min(0).lt(1).default(0.99).describe('Decay rate of the mean squared gradient'),
    epsilon: epsilonOption(1e-8),
    momentum: z.number().min(0).lt(1).default(0).describe('Momentum factor'),
  }),

  build({ learningRate, weightDecay, l1, alpha, epsilon, momentum }) {
    const momentumSlot = { name: 'momentum', per: 'weight', first: 0 } as const;
    return {
      slots: [{ name: 'secondMoment', per: 'weight', first: 0 }, ...(momentum > 0 ? [momentumSlot] : [])],
      learningRate,
      penalties: { l1, l2: weightDecay },
      constants: (_, rate) => [alpha, 1 - alpha, epsilon, rate, momentum],
    };
  },
});
