import { z } from 'zod';
import { softmax } from './softmax.js';
import { everyTerm, gramianState, perTerm } from './state.js';
import { defineWeighting } from './weighting.js';

const stateSchema = gramianState.extend({
  /** Mean loss of each term in the warmup, and its batches with a loss. */
  baseline: perTerm,
  batches: z.array(z.int().min(0)),
  steps: z.int().min(0),
});

/**
 * STCH, smooth Tchebycheff scalarization (Lin et al., ICML 2024): minimizes a smooth maximum of the log losses,
 * T · μ · log Σ exp(log(loss / baseline) / μ), as the authors do for neural networks. The weights are T times the
 * softmax over the loss. In the warmup, which measures the mean losses as the baseline, the sum of the log losses is
 * minimized; the authors count it in epochs.
 *
 * A term with loss 0, as in a batch without its rows, has no logarithm and is excluded. The result is multiplied by the
 * config's weights.
 */
export const stch = defineWeighting({
  name: 'stch',
  summary: 'STCH: smooth maximum of the relative losses (Lin et al. 2024)',
  options: () => ({
    mu: z.number().min(0.001).default(0.5).describe('Smoothness; small values train only the worst term'),
    warmupSteps: z.int().min(1).default(100).describe('Steps whose mean loss is the baseline of each term'),
  }),

  build: ({ mu, warmupSteps }) => ({
    needs: 'current',
    stateVersion: 1,
    stateSchema,
    first: (weights) => ({
      configWeights: [...weights],
      weights: [...weights],
      baseline: everyTerm(weights, 0),
      batches: everyTerm(weights, 0),
      steps: 0,
    }),
    observe(state, { losses }) {
      const { configWeights, steps } = state;
      const selection = losses.flatMap((loss, i) => (loss > 0 ? [i] : []));
      const weights = everyTerm(losses, 0);
      if (steps < warmupSteps) {
        const batches = state.batches.map((count, i) => count + (losses[i]! > 0 ? 1 : 0));
        const baseline = state.baseline.map((mean, i) =>
          losses[i]! > 0 ? mean + (losses[i]! - mean) / batches[i]! : mean,
        );
        for (const i of selection) weights[i] = configWeights[i]! / losses[i]!;
        return { ...state, weights, baseline, batches, steps: steps + 1 };
      }
      const logs = selection.map((i) => (state.batches[i]! > 0 ? Math.log(losses[i]! / state.baseline[i]!) / mu : 0));
      softmax(logs).forEach((share, index) => {
        const i = selection[index]!;
        weights[i] = (configWeights[i]! * losses.length * share) / losses[i]!;
      });
      return { ...state, weights };
    },
    weights: ({ weights }) => weights,
  }),
});
