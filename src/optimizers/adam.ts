import { z } from 'zod';
import { defineOptimizer } from './optimizer.js';

const beta = z.number().min(0).lt(1);

/**
 * Adam (Kingma & Ba 2015, algorithm 1) as PyTorch has it: weight decay is added to the gradient (L2), epsilon to the root
 * of the corrected second moment.
 */
export const adam = defineOptimizer({
  name: 'adam',
  summary: 'Adam with optional L2 inside the gradient',
  options: {
    learningRate: z.number().positive().default(0.001),
    betas: z.tuple([beta, beta]).default([0.9, 0.999]).describe('decay of the first and of the second moment'),
    epsilon: z.number().positive().default(1e-8),
    weightDecay: z.number().min(0).default(0),
  },

  build({ learningRate, betas: [beta1, beta2], epsilon, weightDecay }) {
    return {
      slots: ['firstMoment', 'secondMoment'],
      constantsAt: (step) => [1 - beta1, beta2, 1 - beta2, learningRate / (1 - beta1 ** step), 1 / Math.sqrt(1 - beta2 ** step), epsilon, weightDecay],
      at(step) {
        const stepSize = learningRate / (1 - beta1 ** step);
        const rootCorrection = Math.sqrt(1 - beta2 ** step);
        return (weights, slots, offset, gradient, gradientOffset, length) => {
          const first = slots[0]!;
          const second = slots[1]!;
          for (let i = 0; i < length; i++) {
            const at = offset + i;
            const weight = weights[at]!;
            const g = gradient[gradientOffset + i]! + weightDecay * weight;
            const m = first[at]! + (1 - beta1) * (g - first[at]!);
            const v = beta2 * second[at]! + (1 - beta2) * g * g;
            first[at] = m;
            second[at] = v;
            weights[at] = weight - (stepSize * m) / (Math.sqrt(v) / rootCorrection + epsilon);
          }
        };
      },
    };
  },
});
