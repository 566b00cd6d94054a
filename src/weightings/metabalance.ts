import { z } from 'zod';
import { didYouMean, joined, quoted } from '../core/errors.js';
import { computeGramian, computeNorms } from './gramian.js';
import { everyTerm, gramianState, perTerm } from './state.js';
import { defineWeighting } from './weighting.js';

const stateSchema = gramianState.extend({ target: z.int().min(0), norms: perTerm });

/**
 * MetaBalance (He et al., WWW 2022, with relax factor and moving averages): scales the gradient of every other term
 * toward the norm of the target's, using moving averages of the norms and the relax factor. The paper and its code do
 * so per layer; here it is done once, for all shared parameters. The result is multiplied by the config's weights.
 */
export const metabalance = defineWeighting({
  name: 'metabalance',
  summary: "MetaBalance: scales auxiliary gradients to the target term's norm (He et al. 2022)",
  options: () => ({
    target: z
      .string()
      .optional()
      .describe('Target term, to whose gradient norm the others are scaled; default: the first'),
    relaxFactor: z
      .number()
      .min(0)
      .max(1)
      .default(0.7)
      .describe('Interpolation between original norms (0) and equal norms (1)'),
    beta: z.number().min(0).lt(1).default(0.9).describe('Decay rate of the moving gradient norms'),
  }),

  build: ({ target, relaxFactor, beta }) => ({
    needs: 'gramian',
    stateVersion: 1,
    stateSchema,
    *checkTerms(names) {
      if (target === undefined || names.includes(target)) return;
      yield {
        path: ['target'],
        message: joined(
          `expected a loss term (${names.join(', ')}), found ${quoted(target)}`,
          didYouMean(target, names),
        ),
      };
    },
    first(weights, _seed, names) {
      const targetIndex = target === undefined ? 0 : names.indexOf(target);
      if (targetIndex < 0) throw new Error('metabalance: the terms were not validated');
      return { configWeights: [...weights], weights: [...weights], target: targetIndex, norms: everyTerm(weights, 0) };
    },
    observe(state, observation) {
      const { configWeights, target: targetIndex } = state;
      const currentNorms = computeNorms(computeGramian(observation), configWeights.length);
      const norms = state.norms.map((norm, i) => beta * norm + (1 - beta) * currentNorms[i]!);
      const weights = configWeights.map((weight, i) => {
        // A term that never had a gradient cannot be scaled.
        const ratio = norms[i]! > 0 ? norms[targetIndex]! / norms[i]! : 1;
        return weight * (relaxFactor * ratio + 1 - relaxFactor);
      });
      return { ...state, norms, weights };
    },
    weights: (state) => state.weights,
  }),
});
