import { z } from 'zod';
import { descend, descentSchema, startDescent } from './descent.js';
import { commonState, everyTerm } from './state.js';
import { defineWeighting } from './weighting.js';

const stateSchema = z.strictObject({ ...commonState, logVariances: descentSchema });

/**
 * Homoscedastic uncertainty (Kendall, Gal & Cipolla, CVPR 2018). Every term has a variance σ² of its own that is
 * learned with
 * the model: Σ loss / σ² + log σ (equation 10), over s = log σ² (section 3.2). Equation 7, for regression, has half the
 * first
 * part, which is the same with s shifted by log 2; both end at the weight 1 / (2 loss).
 */
export const uncertainty = defineWeighting({
  name: 'uncertainty',
  summary: 'uncertainty weighting: a learned variance per term (Kendall et al. 2018)',
  options: () => ({
    learningRate: z
      .number()
      .positive()
      .default(0.01)
      .describe('Learning rate of the log variances, trained by their own Adam'),
    initLogVariance: z
      .number()
      .min(-20)
      .max(20)
      .default(0)
      .describe('Initial log variance; 0 starts from the task weights'),
  }),

  build: ({ learningRate, initLogVariance }) => ({
    needs: 'losses',
    stateVersion: 1,
    stateSchema,
    first: (weights) => ({
      configWeights: [...weights],
      logVariances: startDescent(everyTerm(weights, initLogVariance)),
    }),
    observe(state, { losses }) {
      const slopes = losses.map((loss, i) => 0.5 - loss * Math.exp(-state.logVariances.values[i]!));
      return { ...state, logVariances: descend(state.logVariances, slopes, learningRate) };
    },
    weights: ({ configWeights, logVariances }) =>
      configWeights.map((weight, i) => weight * Math.exp(-logVariances.values[i]!)),
  }),
});
