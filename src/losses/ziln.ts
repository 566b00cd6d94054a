import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/operations.js';
import { defineLoss } from './loss.js';

/** Minimum standard deviation: the square root of the float epsilon, as in the authors' code. */
const MIN_STANDARD_DEVIATION = 2 ** -11.5;

/**
 * Zero-inflated log-normal loss (Wang, Liu & Miao 2019, https://arxiv.org/abs/1912.07753), for amounts that are mostly
 * 0 and otherwise spread over orders of magnitude. The tower outputs the logit of a nonzero amount, and mean μ and
 * standard deviation σ = log(1 + e^s) of its logarithm. The loss is the log loss of the first plus, for nonzero
 * amounts, the negative log likelihood. The prediction is the mean, p e^(μ + σ² / 2).
 */
export const ziln = defineLoss({
  name: 'ziln',
  summary:
    'zero-inflated log-normal loss for amounts: a probability, and the mean and standard deviation of the logarithm',
  options: () => ({}),
  taskTypes: ['regression'],
  outputKind: 'number',
  range: { atLeast: 0 },
  takesScaling: false,

  build: () => ({
    outputs: 3,

    predict(g, out, task) {
      const { logit, mean, standardDeviation: standardDeviation } = splitOutputs(g, out);
      return g.multiply(
        g.activation(logit, 'sigmoid', `${task}.probability`),
        g.map(g.add(mean, g.affine(g.multiply(standardDeviation, standardDeviation), 0.5, 0)), 'exp'),
      );
    },

    rows(g, out, label) {
      const { logit, mean, standardDeviation: standardDeviation } = splitOutputs(g, out);
      const amount = g.stopGradient(label);
      const isAmount = g.map(amount, 'sign');
      // log 1 for an amount of 0.
      const logAmount = g.stopGradient(g.map(g.add(amount, g.affine(isAmount, -1, 1)), 'log'));
      const z = g.multiply(g.add(logAmount, g.affine(mean, -1, 0)), g.reciprocal(standardDeviation));
      const density = g.add(
        g.add(g.affine(logAmount, 1, Math.log(2 * Math.PI) / 2), g.map(standardDeviation, 'log')),
        g.affine(g.multiply(z, z), 0.5, 0),
      );
      return g.add(g.crossEntropy(logit, isAmount), g.multiply(g.stopGradient(isAmount), density));
    },
  }),
});

function splitOutputs(
  g: GraphBuilder,
  out: Value,
): { readonly logit: Value; readonly mean: Value; readonly standardDeviation: Value } {
  return {
    logit: g.slice(out, 0, 1),
    mean: g.slice(out, 1, 1),
    standardDeviation: g.clip(g.map(g.slice(out, 2, 1), 'softplus'), MIN_STANDARD_DEVIATION, 1e30),
  };
}
