import { defineLoss, distance } from './loss.js';

/** (prediction - label)². What is predicted is the mean. */
export const squared = defineLoss({
  name: 'squared',
  summary: 'squared error: predicts the mean',
  options: () => ({}),
  taskTypes: ['regression'],
  says: 'number',
  takesScaling: true,
  build: () => ({
    outputs: 1,
    predict: (_, out) => out,
    ofMean: (mean) => mean,
    rows(g, out, label) {
      const d = distance(g, out, label);
      return g.multiply(d, d);
    },
    mean: (g, out, label, counted) => g.squaredError(out, label, counted),
  }),
});
