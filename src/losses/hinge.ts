import { defineLoss, margin, probability } from './loss.js';

/**
 * max(0, 1 - margin) (Cortes & Vapnik 1995, https://doi.org/10.1007/BF00994018): rows with a margin above 1 have
 * gradient 0.
 */
export const hinge = defineLoss({
  name: 'hinge',
  summary: 'hinge loss: ranks; predictions are not probabilities',
  options: () => ({}),
  taskTypes: ['classification'],
  outputKind: 'score',
  takesScaling: false,
  build: () => ({
    outputs: 1,
    predict: probability,
    rows: (g, score, label) => g.activation(g.affine(margin(g, score, label), -1, 1), 'relu', 'hinge'),
  }),
});
