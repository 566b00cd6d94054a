import { z } from 'zod';
import { adam } from './adam.js';
import { commonOptions, defineOptimizer } from './optimizer.js';

/**
 * Adam with decoupled weight decay (Loshchilov & Hutter 2019) of learning rate × `weightDecay` per step, as PyTorch's.
 */
export const adamw = defineOptimizer({
  name: 'adamw',
  kernel: adam.kernel,
  unit: 'weight',
  plausibleRates: [1e-6, 0.1],
  summary: 'Adam with decoupled weight decay',
  options() {
    const { betas, epsilon } = adam.options();
    const weightDecay = z
      .number()
      .min(0)
      .default(0.01)
      .describe('Decoupled weight decay, multiplied by the learning rate');
    return { learningRate: commonOptions.learningRate, betas, epsilon, weightDecay };
  },

  build({ weightDecay, ...options }) {
    const rule = adam.build({ ...options, weightDecay: 0, l1: 0 });
    return { ...rule, constants: (step, rate) => rule.constants(step, rate).with(-1, rate * weightDecay) };
  },
});
