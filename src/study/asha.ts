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

/** Returns the rung, counted from 0, at the end of an epoch; undefined if there is none. */
export function findRung({ minEpochs, reductionFactor }: AshaOptions, epoch: number): number | undefined {
  for (let rung = 0, rungEpoch = minEpochs; rungEpoch <= epoch; rung++, rungEpoch *= reductionFactor)
    if (rungEpoch === epoch) return rung;
  return undefined;
}

/**
 * Decides whether a trial continues after a rung (Li et al. 2018; trials are stopped, not paused). It continues if it
 * is among the best 1 / factor of the trials that reached the rung so far, or the best of fewer than `factor`.
 * @param cost of the trial, lower is better
 * @param costs of all trials that reached the rung, including this one
 */
export function shouldPromote(cost: number, costs: readonly number[], factor: number): boolean {
  const numBetter = costs.filter((other) => other < cost).length;
  return numBetter < Math.max(1, Math.floor(costs.length / factor));
}
