import { z } from 'zod';

/** The `checkpoints` section of a config. */
export const checkpointOptions = z
  .strictObject({
    everyEpochs: z.int().min(1).default(1).describe('saves after so many epochs; the best epoch and the last are saved in any case'),
    everySteps: z.int().min(1).optional().describe('saves within an epoch, after so many steps'),
    everyMinutes: z.number().positive().optional().describe('saves within an epoch, so long after what was saved before'),
    keepLast: z.int().min(1).default(2).describe('the newest that are kept; older ones go, unless they are the best'),
    alsoBest: z
      .array(z.string())
      .default([])
      .describe("keeps the best weights by these too, as in [ctr.auc] for checkpoints/best-ctr.auc; 'best' is by training.monitor"),
  })
  .describe('when the run is saved, and what is kept');
export type CheckpointOptions = z.output<typeof checkpointOptions>;
