import { z } from 'zod';
import { everyTerm, perTerm } from './state.js';

/** Weighting parameters (a few per term) that are trained with the model, and their Adam moments. */
export const descentSchema = z.strictObject({
  values: perTerm,
  firstMoments: perTerm,
  secondMoments: perTerm,
  steps: z.int().min(0),
});
export type Descent = z.output<typeof descentSchema>;

/** Returns the state before the first step. */
export function startDescent(values: readonly number[]): Descent {
  return { values: [...values], firstMoments: everyTerm(values, 0), secondMoments: everyTerm(values, 0), steps: 0 };
}

/** Takes one Adam step (Kingma & Ba 2015, algorithm 1; betas 0.9 and 0.999, epsilon 1e-8), as PyTorch's. */
export function descend(descent: Descent, slopes: readonly number[], learningRate: number): Descent {
  const steps = descent.steps + 1;
  const firstMoments = descent.firstMoments.map((moment, i) => 0.9 * moment + 0.1 * slopes[i]!);
  const secondMoments = descent.secondMoments.map((moment, i) => 0.999 * moment + 0.001 * slopes[i]! ** 2);
  const values = descent.values.map((value, i) => {
    const first = firstMoments[i]! / (1 - 0.9 ** steps);
    const second = secondMoments[i]! / (1 - 0.999 ** steps);
    return value - (learningRate * first) / (Math.sqrt(second) + 1e-8);
  });
  return { values, firstMoments, secondMoments, steps };
}
