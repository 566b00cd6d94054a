import { z } from 'zod';

/** One number a term. */
export const perTerm = z.array(z.number());

/** What every state holds: the weights that the config gives the terms. */
export const commonState = { configWeights: perTerm };

/** The state of a weighting that gives what it last made of a Gramian. */
export const gramianState = z.strictObject({ ...commonState, weights: perTerm });

/** A number a term, all the same. */
export function everyTerm(terms: readonly unknown[], value: number): number[] {
  return terms.map(() => value);
}
