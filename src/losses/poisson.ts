import { defineLoss, computeLog } from './loss.js';

/**
 * Poisson negative log likelihood of counts, e^z - y z, where the tower outputs the log mean z and terms without z are
 * omitted: PyTorch's `PoissonNLLLoss`.
 */
export const poisson = defineLoss({
  name: 'poisson',
  summary: 'Poisson loss for counts; the tower predicts the log mean',
  options: () => ({}),
  taskTypes: ['regression'],
  outputKind: 'number',
  range: { atLeast: 0 },
  takesScaling: false,
  treeObjective: 'poisson',
  build: () => ({
    outputs: 1,
    predict: (g, out) => g.map(out, 'exp'),
    outputForMean: computeLog,
    rows: (g, out, label) => g.add(g.map(out, 'exp'), g.multiply(out, g.stopGradient(g.affine(label, -1, 0)))),
  }),
});
