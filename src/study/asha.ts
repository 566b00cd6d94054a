import { z } from 'zod';

/** The `asha` section of a study. */
export const ashaOptions = z
  .strictObject({
    minEpochs: z.int().min(1).default(1).describe('Epochs before the first comparison'),
    reductionFactor: z
      .int()
      .min(2)
      .default(3)
      .describe('Reduction factor: one in this many trials continues, and rungs grow by it'),
  })
  .describe('Asynchronous successive halving (ASHA): stops trials that lag behind at the same epoch');
export type AshaOptions = z.output<typeof ashaOptions>;

/** The rung that an epoch's end is, counted from 0; undefined where it is none. */
export function findRung({ minEpochs, reductionFactor: factor }: AshaOptions, epoch: number): number | undefined {
  for (let rung = 0, at = minEpochs; at <= epoch; rung++, at *= factor) if (at === epoch) return rung;
  return undefined;
}

/**
 * Whether a trial goes on from a rung (Li et al. 2018, in the form that stops trials in place of pausing them): where
 * it is among the best
 * 1 / factor of those that have come there so far, or while they are fewer than that, the best of them.
 * @param cost its own, lower is better
 * @param costs of all that have come there, its own included
 */
export function shouldPromote(cost: number, costs: readonly number[], factor: number): boolean {
  const numBetter = costs.filter((other) => other < cost).length;
  return numBetter < Math.max(1, Math.floor(costs.length / factor));
}
