import { defineLoss, distance } from './loss.js';

/** (prediction - label)², which is minimized by the mean. */
export const squared = defineLoss({
  name: 'squared',
  summary: 'squared error: predicts the mean',
  options: () => ({}),
  taskTypes: ['regression'],
  outputKind: 'number',
  takesScaling: true,
  build: () => ({
    outputs: 1,
    predict: (_, out) => out,
    outputForMean: (mean) => mean,
    rows(g, out, label) {
      const d = distance(g, out, label);
      return g.multiply(d, d);
    },
    mean: (g, out, label, options) => g.squaredError(out, label, options),
  }),
});
