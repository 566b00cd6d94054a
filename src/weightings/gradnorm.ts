import { z } from 'zod';
import { descend, descentSchema, startDescent } from './descent.js';
import { computeGramian, computeNorms } from './gramian.js';
import { softmax, softmaxSlope } from './softmax.js';
import { everyTerm, gramianState, perTerm } from './state.js';
import { defineWeighting } from './weighting.js';

const stateSchema = gramianState.extend({
  logits: descentSchema,
  /** Mean losses of the first `firstSteps` steps. */
  firstLosses: perTerm,
  firstSteps: z.int().min(0),
});

/**
 * GradNorm (Chen et al., ICML 2018, algorithm 1). Weights are trained so that the norm of each weighted gradient
 * approaches G · r^α (equation 1): G is their mean, r the term's loss relative to its initial value, over the mean of
 * that ratio. Adam minimizes the sum of the distances to these targets (equation 2); the targets are constants.
 *
 * The paper trains the weights directly and divides them by their sum after each step. Here, as in LibMTL, they are T
 * times a softmax, with the same sum and no negative weight. The paper uses the norms of the last shared layer; here,
 * of all shared parameters. The initial loss is a mean over `firstSteps`: the paper uses one step, which is noise in a
 * batch with three purchases.
 */
export const gradnorm = defineWeighting({
  name: 'gradnorm',
  summary: 'GradNorm: equal gradient norms, larger for lagging terms (Chen et al. 2018)',
  options: () => ({
    alpha: z
      .number()
      .min(0)
      .default(1.5)
      .describe('Strength with which lagging terms are pulled up; 0 equalizes the norms'),
    learningRate: z
      .number()
      .positive()
      .default(0.025)
      .describe('Learning rate of the weights, trained by their own Adam'),
    initialSteps: z.int().min(1).default(100).describe('Steps whose mean loss is the initial loss'),
  }),

  build: ({ alpha, learningRate, initialSteps: firstSteps }) => ({
    needs: 'gramian',
    stateVersion: 1,
    stateSchema,
    first: (weights) => ({
      configWeights: [...weights],
      weights: [...weights],
      logits: startDescent(everyTerm(weights, 0)),
      firstLosses: everyTerm(weights, 0),
      firstSteps: 0,
    }),
    observe(state, observation) {
      const { configWeights, logits } = state;
      const isBaseline = state.firstSteps < firstSteps;
      const first = {
        firstSteps: state.firstSteps + (isBaseline ? 1 : 0),
        firstLosses: isBaseline
          ? state.firstLosses.map((mean, i) => mean + (observation.losses[i]! - mean) / (state.firstSteps + 1))
          : state.firstLosses,
      };
      const size = configWeights.length;
      const shares = softmax(logits.values);
      const norms = computeNorms(computeGramian(observation), size);
      const weightedNorms = norms.map((norm, i) => norm * size * shares[i]!);
      const progress = observation.losses.map((loss, i) =>
        first.firstLosses[i]! > 0 ? Math.max(loss, 0) / first.firstLosses[i]! : 1,
      );
      const meanNorm = mean(weightedNorms);
      const meanProgress = mean(progress);
      const targets = progress.map((ratio) => meanNorm * (meanProgress > 0 ? ratio / meanProgress : 1) ** alpha);
      const slopes = norms.map((norm, i) => Math.sign(weightedNorms[i]! - targets[i]!) * norm * size);
      return {
        ...state,
        ...first,
        // The step uses the weights with which it was measured, as in algorithm 1.
        weights: configWeights.map((weight, i) => weight * size * shares[i]!),
        logits: descend(logits, softmaxSlope(shares, slopes), learningRate),
      };
    },
    weights: (state) => state.weights,
  }),
});

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
