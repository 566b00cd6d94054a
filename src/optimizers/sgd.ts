import { z } from 'zod';
import { commonOptions, defineOptimizer } from './optimizer.js';

/** Stochastic gradient descent, as PyTorch's, with optional heavy-ball or Nesterov momentum (Sutskever et al. 2013). */
export const sgd = defineOptimizer({
  name: 'sgd',
  kernel: 'sgd',
  unit: 'weight',
  plausibleRates: [1e-5, 10],
  summary: 'stochastic gradient descent, with optional momentum',
  options: () => ({
    ...commonOptions,
    momentum: z.number().min(0).lt(1).default(0).describe('Momentum factor'),
    nesterov: z.boolean().default(false).describe('Whether to use Nesterov momentum'),
  }),

  *check({ momentum, nesterov }) {
    if (nesterov && momentum === 0)
      yield { path: ['nesterov'], message: 'requires momentum above 0; set momentum: 0.9' };
  },

  build({ learningRate, weightDecay, l1, momentum, nesterov }) {
    return {
      slots: momentum > 0 ? [{ name: 'momentum', per: 'weight', first: 0 }] : [],
      learningRate,
      penalties: { l1, l2: weightDecay },
      constants: (_, rate) => [rate, momentum, nesterov ? 1 : 0, nesterov ? momentum : 1],
    };
  },
});
