import { z } from 'zod';

/** Options of negative sampling. */
export const samplingOptions = z
  .strictObject({
    rate: z.number().positive().max(1).describe('Sampling rate of negatives, rows with label 0 in every task'),
    seed: z
      .int()
      .min(0)
      .max(2 ** 32 - 1)
      .default(0)
      .describe('Random seed of the sample'),
  })
  .describe('Negative sampling for training; predictions are corrected for it');
export type Sampling = z.output<typeof samplingOptions>;
