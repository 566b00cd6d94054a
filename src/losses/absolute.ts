import { defineLoss, distance } from './loss.js';

/** |prediction - label|, which is minimized by the median. */
export const absolute = defineLoss({
  name: 'absolute',
  summary: 'absolute error: predicts the median; robust to outliers',
  options: () => ({}),
  taskTypes: ['regression'],
  outputKind: 'number',
  takesScaling: true,
  treeObjective: 'regression_l1',
  build: () => ({
    outputs: 1,
    predict: (_, out) => out,
    outputForMean: (mean) => mean,
    rows(g, out, label) {
      const d = distance(g, out, label);
      return g.multiply(d, g.map(d, 'sign'));
    },
  }),
});
