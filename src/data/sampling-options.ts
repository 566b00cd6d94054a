import { z } from 'zod';

/** What a config says of rows that are left out of train by chance. */
export const samplingOptions = z
  .strictObject({
    negatives: z.number().positive().max(1).describe('the share of the negatives, rows on which every label is 0, that is trained on'),
    seed: z.int().min(0).max(2 ** 32 - 1).default(0).describe('decides which of them'),
  })
  .describe('trains on a share of the negatives; predictions are corrected for it');
export type Sampling = z.output<typeof samplingOptions>;
