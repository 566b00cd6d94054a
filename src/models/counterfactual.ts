import { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import type { LossOptions } from '../graph/loss-options.js';
import type { Term } from '../graph/graph.js';
import type { Value } from '../graph/operations.js';

const MIN_PROPENSITY = 1e-6;

/** Options of models that correct the selection bias of conversions by click propensity. */
export const counterfactualOptions = {
  maxWeight: z.number().positive().default(15).describe('Maximum inverse-propensity weight of a row'),
  entireSpaceWeight: z
    .number()
    .min(0)
    .default(0.5)
    .describe('Weight of the click-and-conversion loss over all rows; 0 disables it'),
};

/**
 * Computes event / probability, at most `maxWeight`: the inverse propensity weight (Rosenbaum & Rubin 1983). Use it as
 * a weight of a loss, which is never differentiated.
 * @param rowWeights other weights of the rows
 */
export function inversePropensity(
  g: GraphBuilder,
  event: Value,
  probability: Value,
  maxWeight: number,
  rowWeights: Value | undefined,
): Value {
  const weights = g.clip(g.multiply(event, g.reciprocal(g.clip(probability, MIN_PROPENSITY, 1))), 0, maxWeight);
  return rowWeights === undefined ? weights : g.multiply(weights, rowWeights);
}

/** Returns the loss terms of the joint probabilities over all rows, scaled by the model's option. */
export function scaleGlobalTerms(products: readonly Term[], entireSpaceWeight: number): readonly Term[] {
  return entireSpaceWeight === 0 ? [] : products.map((term) => ({ ...term, weight: term.weight * entireSpaceWeight }));
}

/**
 * Scales weights to sum to the number of rows that count, so that the mean is divided by their own sum (self-normalized
 * inverse propensity scores, Swaminathan & Joachims 2015). Weights that are all 0 stay 0.
 */
export function selfNormalize(
  g: GraphBuilder,
  { mask, weights }: LossOptions & { readonly weights: Value },
): LossOptions {
  const rowWeights = mask === undefined ? weights : g.multiply(weights, mask);
  const rows = g.batchSum(mask ?? g.affine(weights, 0, 1));
  const inverseSum = g.reciprocal(g.clip(g.batchSum(rowWeights), 1e-6, 1e30));
  return { mask, weights: g.multiply(rowWeights, g.multiply(rows, inverseSum)) };
}
