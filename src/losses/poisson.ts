import { defineLoss, computeLog } from './loss.js';

/**
 * The negative log likelihood of a Poisson distribution whose mean's logarithm the tower says, e^z - y z, without the
 * part that depends on the
 * label alone: PyTorch's `PoissonNLLLoss`. For counts.
 */
export const poisson = defineLoss({
  name: 'poisson',
  summary: 'Poisson loss for counts; the tower predicts the log mean',
  options: () => ({}),
  taskTypes: ['regression'],
  says: 'number',
  range: { atLeast: 0 },
  takesScaling: false,
  build: () => ({
    outputs: 1,
    predict: (g, out) => g.map(out, 'exp'),
    ofMean: computeLog,
    rows: (g, out, label) => g.add(g.map(out, 'exp'), g.multiply(out, g.stopGradient(g.affine(label, -1, 0)))),
  }),
});
