import { z } from 'zod';

/** The `checkpoints` section of a config. */
export const checkpointOptions = z
  .strictObject({
    everyEpochs: z
      .int()
      .min(1)
      .default(1)
      .describe('Epochs between checkpoints; the best and last epochs are always saved'),
    everySteps: z.int().min(1).optional().describe('Steps between checkpoints within an epoch'),
    everyMinutes: z.number().positive().optional().describe('Minutes between checkpoints within an epoch'),
    keepLast: z.int().min(1).default(2).describe('Number of newest checkpoints to keep, besides the best'),
    bestBy: z
      .array(z.string())
      .default([])
      .describe('Extra metrics with a best checkpoint each, as in [ctr.auc] for checkpoints/best-ctr.auc'),
  })
  .describe('Checkpoint schedule and retention');
export type CheckpointOptions = z.output<typeof checkpointOptions>;
