import { z } from 'zod';
import type { GraphBuilder, LossOptions } from '../graph/builder.js';
import type { Term } from '../graph/graph.js';
import type { Value } from '../graph/operations.js';

/** A propensity is not believed to be nearer to 0 than this. */
const MIN_PROPENSITY = 1e-6;

/** Options of a model that repairs the selection of conversions by how probable a click is. */
export const counterfactualOptions = {
  maxWeight: z.number().positive().default(15).describe('Maximum inverse-propensity weight of a row'),
  entireSpaceWeight: z
    .number()
    .min(0)
    .default(0.5)
    .describe('Weight of the click-and-conversion loss over all rows; 0 disables it'),
};

/**
 * happened / probability, at most `maxWeight`: how often a row stands for those that were not seen (Rosenbaum & Rubin
 * 1983). As a
 * weight of a loss it is never differentiated.
 * @param counted factors that rows have in any case
 */
export function inversePropensity(
  g: GraphBuilder,
  happened: Value,
  probability: Value,
  maxWeight: number,
  counted: Value | undefined,
): Value {
  const weights = g.clip(g.multiply(happened, g.reciprocal(g.clip(probability, MIN_PROPENSITY, 1))), 0, maxWeight);
  return counted === undefined ? weights : g.multiply(weights, counted);
}

/** The terms of the product over all rows, with the weight that the model gives to them. */
export function globalTerms(products: readonly Term[], entireSpaceWeight: number): readonly Term[] {
  return entireSpaceWeight === 0 ? [] : products.map((term) => ({ ...term, weight: term.weight * entireSpaceWeight }));
}

/**
 * Scales weights to add up to the rows that a loss counts, so that its mean is divided by their own sum
 * (self-normalized
 * inverse propensity scores, Swaminathan & Joachims 2015); if all are 0, they stay so.
 */
export function selfNormalised(
  g: GraphBuilder,
  { mask, weights }: LossOptions & { readonly weights: Value },
): LossOptions {
  const counted = mask === undefined ? weights : g.multiply(weights, mask);
  const rows = g.batchSum(mask ?? g.affine(weights, 0, 1));
  const inverseSum = g.reciprocal(g.clip(g.batchSum(counted), 1e-6, 1e30));
  return { mask, weights: g.multiply(counted, g.multiply(rows, inverseSum)) };
}
