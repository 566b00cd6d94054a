import { z } from 'zod';
import type { ValidationIssue } from '../core/component.js';
import type { TrainingOptions } from '../training/options.js';

/** The `checkpoints.delta` section of a config. */
const deltaOptions = z
  .strictObject({
    everySteps: z.int().min(1).optional().describe('Steps between deltas'),
    everyMinutes: z.number().positive().optional().describe('Minutes between deltas'),
  })
  .refine(
    ({ everySteps, everyMinutes }) => everySteps !== undefined || everyMinutes !== undefined,
    'expected everySteps or everyMinutes, as in { everyMinutes: 5 }',
  )
  .describe(
    'Schedule of deltas, which contain only table rows that changed since the checkpoint before; default: none',
  );

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
    delta: deltaOptions.optional(),
    keepLast: z.int().min(1).default(2).describe('Number of newest checkpoints to keep, besides the best'),
    bestBy: z
      .array(z.string())
      .default([])
      .describe('Extra metrics with a best checkpoint each, as in [ctr.auc] for checkpoints/best-ctr.auc'),
  })
  .describe('Checkpoint schedule and retention');
export type CheckpointOptions = z.output<typeof checkpointOptions>;

/**
 * Requires that training changes only table rows of its batches, if checkpoints have deltas; paths are paths of the
 * config.
 */
export function* checkDelta(
  { delta }: CheckpointOptions,
  { optimizer: { embeddings, wide }, ema }: TrainingOptions,
): Generator<ValidationIssue> {
  if (delta === undefined) return;
  const path = ['checkpoints', 'delta'];
  for (const [key, optimizer] of Object.entries({ embeddings, wide }))
    if (optimizer?.lazy === false)
      yield {
        path,
        message:
          `training.optimizer.${key}.lazy: false changes every row of a table in each step; ` +
          'set lazy: true, or use checkpoints.everySteps instead of delta',
      };
  if (ema !== undefined)
    yield {
      path,
      message:
        'training.ema changes the average of every row in each step; ' +
        'remove ema, or use checkpoints.everySteps instead of delta',
    };
}
