import { z } from 'zod';

/** Random seed of a choice of rows. */
export const rowSeed = z
  .int()
  .min(0)
  .max(2 ** 32 - 1)
  .default(0);

/** Options of negative sampling. */
export const samplingOptions = z
  .strictObject({
    rate: z.number().positive().max(1).describe('Sampling rate of negatives, rows with label 0 in every task'),
    seed: rowSeed.describe('Random seed of the sample'),
  })
  .describe('Negative sampling for training; predictions are corrected for it');
export type Sampling = z.output<typeof samplingOptions>;
