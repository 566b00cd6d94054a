import { z } from 'zod';
import { randomStream, shuffledOrder } from '../core/random.js';
import { computeGramian, scaledGramian } from './gramian.js';
import { gramianState } from './state.js';
import { defineWeighting } from './weighting.js';

const stateSchema = gramianState.extend({ seed: z.number() });

/**
 * PCGrad, or gradient surgery (Yu et al., NeurIPS 2020, algorithm 1). From each gradient, removes its conflicting
 * component against each of the others in random order; the step is the sum of the results. Gradients include the
 * config's weights. The order depends on the seed and the step.
 */
export const pcgrad = defineWeighting({
  name: 'pcgrad',
  summary: 'PCGrad: projects away conflicting gradient components (Yu et al. 2020)',
  options: () => ({}),

  build: () => ({
    needs: 'gramian',
    stateVersion: 1,
    stateSchema,
    first: (weights, seed) => ({ configWeights: [...weights], weights: [...weights], seed }),
    observe(state, observation) {
      const { configWeights } = state;
      const size = configWeights.length;
      const gramian = scaledGramian(computeGramian(observation), configWeights);
      const random = randomStream(state.seed, 'gradient surgery', observation.step);
      const order = new Uint32Array(size);
      const weights = new Array<number>(size).fill(0);
      for (let i = 0; i < size; i++) {
        shuffledOrder(order, size, random);
        projectGradient(gramian, i, order).forEach((part, j) => (weights[j]! += part * configWeights[j]!));
      }
      return { ...state, weights };
    },
    weights: (state) => state.weights,
  }),
});

/** Returns gradient i after its projections onto the normal planes of the others, as coefficients of all gradients. */
function projectGradient(gramian: Float64Array, i: number, order: Uint32Array): number[] {
  const size = order.length;
  const parts = new Array<number>(size).fill(0);
  parts[i] = 1;
  for (const j of order) {
    const square = gramian[j * size + j]!;
    if (j === i || square <= 0) continue;
    const product = parts.reduce((sum, part, k) => sum + part * gramian[j * size + k]!, 0);
    if (product < 0) parts[j]! -= product / square;
  }
  return parts;
}
