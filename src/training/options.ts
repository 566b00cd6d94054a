import { z } from 'zod';
import { ON_DIVERGENCE } from './divergence.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../optimizers/optimizers.js';

/** The `training` section of a config. */
export const trainingOptions = z
  .strictObject({
    epochs: z.int().min(1).default(1),
    batchSize: z.int().min(1).max(1 << 20).default(1024),
    shuffle: z.boolean().default(true).describe('a new order every epoch, decided by the seed'),
    shuffleWindow: z.int().min(1).max(1 << 24).default(1 << 18).describe('rows that are shuffled together, in memory'),
    optimizer: z
      .strictObject({
        dense: denseOptimizers.schema.prefault({}).describe('for the weights of the model'),
        embeddings: embeddingOptimizerSchema.prefault({}).describe('for the embedding tables'),
      })
      .prefault({}),
    onDivergence: z
      .enum(ON_DIVERGENCE)
      .default('stop')
      .describe('at a loss that is not finite: stop, or skip the update of its batch, which is counted'),
    monitor: z
      .string()
      .default('loss')
      .describe("what chooses the best epoch on valid: 'loss', or a metric of a task, as in ctcvr.auc"),
    earlyStopping: z
      .strictObject({
        patience: z.int().min(1).default(2).describe('epochs without progress before training stops'),
        minDelta: z.number().min(0).default(0).describe('progress smaller than this does not count'),
      })
      .optional()
      .describe('stop when valid no longer improves; without it all epochs are trained'),
  })
  .describe('how the model is trained');
export type TrainingOptions = z.output<typeof trainingOptions>;
