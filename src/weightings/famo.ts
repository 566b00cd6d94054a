import { z } from 'zod';
import { descend, descentSchema, startDescent } from './descent.js';
import { softmax, softmaxSlope } from './softmax.js';
import { commonState, everyTerm, perTerm } from './state.js';
import { defineWeighting } from './weighting.js';

/** Added to a loss before its logarithm, as in the authors' code. */
const EPSILON = 1e-8;

const stateSchema = z.strictObject({ ...commonState, logits: descentSchema, losses: perTerm });

/**
 * FAMO (Liu et al., NeurIPS 2023, algorithm 2): all losses should decrease by the same factor. With z the softmax of
 * trained logits, the weights are z / loss over their sum. After the step, the logits follow the change of the log
 * losses: a term that decreased less gets more weight. The logits are trained by Adam with weight decay, as in
 * algorithm 2 and in the authors' code, which uses gamma 0.01; the paper uses 0.001.
 *
 * A term with loss 0, as in a batch without its rows, has no logarithm and no gradient, and is excluded. The result is
 * multiplied by the config's weights.
 */
export const famo = defineWeighting({
  name: 'famo',
  summary: 'FAMO: equal relative decrease of all losses, learned from their changes (Liu et al. 2023)',
  options: () => ({
    learningRate: z
      .number()
      .positive()
      .default(0.025)
      .describe('Learning rate of the logits, trained by their own Adam'),
    gamma: z.number().min(0).default(0.001).describe('Weight decay of the logits'),
  }),

  build: ({ learningRate, gamma }) => ({
    needs: 'change',
    stateVersion: 1,
    stateSchema,
    first: (weights) => ({
      configWeights: [...weights],
      logits: startDescent(everyTerm(weights, 0)),
      losses: everyTerm(weights, 1),
    }),
    observe(state, { losses, lossesAfter }) {
      if (lossesAfter === undefined) return { ...state, losses: [...losses] };
      const gains = losses.map((loss, i) =>
        loss > 0 && lossesAfter[i]! > 0 ? Math.log(loss + EPSILON) - Math.log(lossesAfter[i]! + EPSILON) : 0,
      );
      const { logits } = state;
      const slopes = softmaxSlope(softmax(logits.values), gains).map((slope, i) => slope + gamma * logits.values[i]!);
      return { ...state, logits: descend(logits, slopes, learningRate), losses: [...lossesAfter] };
    },
    weights({ configWeights, logits, losses }) {
      const shares = softmax(logits.values).map((share, i) => (losses[i]! > 0 ? share / (losses[i]! + EPSILON) : 0));
      const sum = shares.reduce((total, share) => total + share, 0);
      return configWeights.map((weight, i) => (sum > 0 ? (weight * shares[i]!) / sum : weight / configWeights.length));
    },
  }),
});
