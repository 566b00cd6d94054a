import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/operations.js';
import { defineLoss } from './loss.js';

/** A deviation is not believed to be below the root of the float's epsilon, as in the authors' code. */
const MIN_DEVIATION = 2 ** -11.5;

/**
 * Zero-inflated log-normal (Wang, Liu & Miao 2019, https://arxiv.org/abs/1912.07753): for amounts that are mostly 0 and
 * else spread over orders of
 * magnitude. The tower says the logit of an amount above 0, and mean μ and deviation σ = log(1 + e^s) of its logarithm;
 * the loss is the
 * log loss of the first and, where there is an amount, its negative log likelihood. What is predicted is the mean, p
 * e^(μ + σ² / 2).
 */
export const ziln = defineLoss({
  name: 'ziln',
  summary:
    'zero-inflated log-normal loss for amounts: a probability, and the mean and standard deviation of the logarithm',
  options: () => ({}),
  taskTypes: ['regression'],
  says: 'number',
  range: { atLeast: 0 },
  takesScaling: false,

  build: () => ({
    outputs: 3,

    predict(g, out, task) {
      const { logit, mean, deviation } = parts(g, out);
      return g.multiply(
        g.activation(logit, 'sigmoid', `${task}.probability`),
        g.map(g.add(mean, g.affine(g.multiply(deviation, deviation), 0.5, 0)), 'exp'),
      );
    },

    rows(g, out, label) {
      const { logit, mean, deviation } = parts(g, out);
      const amount = g.stopGradient(label);
      const isAmount = g.map(amount, 'sign');
      // log 1 where there is none.
      const logAmount = g.stopGradient(g.map(g.add(amount, g.affine(isAmount, -1, 1)), 'log'));
      const z = g.multiply(g.add(logAmount, g.affine(mean, -1, 0)), g.reciprocal(deviation));
      const density = g.add(
        g.add(g.affine(logAmount, 1, Math.log(2 * Math.PI) / 2), g.map(deviation, 'log')),
        g.affine(g.multiply(z, z), 0.5, 0),
      );
      return g.add(g.crossEntropy(logit, isAmount), g.multiply(g.stopGradient(isAmount), density));
    },
  }),
});

function parts(
  g: GraphBuilder,
  out: Value,
): { readonly logit: Value; readonly mean: Value; readonly deviation: Value } {
  return {
    logit: g.slice(out, 0, 1),
    mean: g.slice(out, 1, 1),
    deviation: g.clip(g.map(g.slice(out, 2, 1), 'softplus'), MIN_DEVIATION, 1e30),
  };
}
