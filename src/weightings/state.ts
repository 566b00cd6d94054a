import { z } from 'zod';

/** One number per term. */
export const perTerm = z.array(z.number());

/** Part of every state: the config's weights of the terms. */
export const commonState = { configWeights: perTerm };

/** State of a weighting that returns the result of its last Gramian. */
export const gramianState = z.strictObject({ ...commonState, weights: perTerm });

/** Returns an array with the same value for every term. */
export function everyTerm(terms: readonly unknown[], value: number): number[] {
  return terms.map(() => value);
}
