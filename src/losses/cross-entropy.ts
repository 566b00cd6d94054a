import { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/operations.js';
import { defineLoss, computeLogit, probability } from './loss.js';

/**
 * The log loss of a probability. Smoothing maps a label y to y (1 - s) + s / 2 (Szegedy et al. 2016,
 * https://arxiv.org/abs/1512.00567, section 7), as Keras' `label_smoothing`. A regression may use it if its label is a
 * probability: a share, or a teacher's prediction.
 */
export const crossEntropy = defineLoss({
  name: 'cross-entropy',
  summary: 'log loss of a probability; also of regression labels between 0 and 1',
  options: () => ({
    smoothing: z.number().min(0).lt(1).default(0).describe('Label smoothing; 0.1 maps labels 0 and 1 to 0.05 and 0.95'),
  }),
  taskTypes: ['classification', 'regression'],
  outputKind: 'logit',
  range: { atLeast: 0, atMost: 1 },
  takesScaling: false,
  treeObjective: 'cross_entropy',

  build({ smoothing }) {
    const smoothed = (g: GraphBuilder, label: Value): Value =>
      smoothing === 0 ? label : g.affine(label, 1 - smoothing, smoothing / 2);
    return {
      outputs: 1,
      predict: probability,
      outputForMean: computeLogit,
      rows: (g, logit, label) => g.crossEntropy(logit, smoothed(g, label)),
      mean: (g, logit, label, options) => g.binaryCrossEntropy(logit, smoothed(g, label), options),
    };
  },
});
