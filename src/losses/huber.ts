import { z } from 'zod';
import { defineLoss, distance } from './loss.js';

/**
 * Huber's loss (1964, https://doi.org/10.1214/aoms/1177703732), as PyTorch's `HuberLoss`: d² / 2 up to δ, and δ (|d| -
 * δ / 2) beyond. With c = clip(d, -δ, δ), both are c (d - c / 2).
 */
export const huber = defineLoss({
  name: 'huber',
  summary: 'Huber loss: squared for small errors, absolute for large ones',
  options: () => ({
    delta: z
      .number()
      .positive()
      .default(1)
      .describe('Error at which the loss turns from squared to absolute, in scaled label units'),
  }),
  taskTypes: ['regression'],
  outputKind: 'number',
  takesScaling: true,
  treeObjective: 'huber',
  build: ({ delta }) => ({
    outputs: 1,
    predict: (_, out) => out,
    outputForMean: (mean) => mean,
    rows(g, out, label) {
      const d = distance(g, out, label);
      const c = g.clip(d, -delta, delta);
      return g.multiply(c, g.add(d, g.affine(c, -0.5, 0)));
    },
  }),
});
