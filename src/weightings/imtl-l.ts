import { z } from 'zod';
import { descend, descentSchema, startDescent } from './descent.js';
import { commonState, everyTerm } from './state.js';
import { defineWeighting } from './weighting.js';

const stateSchema = z.strictObject({ ...commonState, logScales: descentSchema });

/**
 * IMTL-L (Liu et al., ICLR 2021, section 3.2): trains a log scale s per term to minimize Σ eˢ · loss - s, so that all
 * scaled losses approach 1. The weights are eˢ, multiplied by the config's weights.
 */
export const imtlL = defineWeighting({
  name: 'imtl-l',
  summary: 'IMTL-L: learned scales that bring all losses to 1 (Liu et al. 2021)',
  options: () => ({
    learningRate: z
      .number()
      .positive()
      .default(0.01)
      .describe('Learning rate of the log scales, trained by their own Adam'),
  }),

  build: ({ learningRate }) => ({
    needs: 'losses',
    stateVersion: 1,
    stateSchema,
    first: (weights) => ({ configWeights: [...weights], logScales: startDescent(everyTerm(weights, 0)) }),
    observe(state, { losses }) {
      const slopes = losses.map((loss, i) => loss * Math.exp(state.logScales.values[i]!) - 1);
      return { ...state, logScales: descend(state.logScales, slopes, learningRate) };
    },
    weights: ({ configWeights, logScales }) =>
      configWeights.map((weight, i) => weight * Math.exp(logScales.values[i]!)),
  }),
});
