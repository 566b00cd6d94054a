import { defineLoss, margin, probability } from './loss.js';

/**
 * max(0, 1 - margin) (Cortes & Vapnik 1995, https://doi.org/10.1007/BF00994018): nothing to learn from rows that are
 * right by a distance.
 */
export const hinge = defineLoss({
  name: 'hinge',
  summary: 'hinge loss: ranks; predictions are not probabilities',
  options: () => ({}),
  taskTypes: ['classification'],
  says: 'score',
  takesScaling: false,
  build: () => ({
    outputs: 1,
    predict: probability,
    rows: (g, score, label) => g.activation(g.affine(margin(g, score, label), -1, 1), 'relu', 'hinge'),
  }),
});
