import { z } from 'zod';
import { BATCH_NORM_ROWS } from '../engines/engine.js';
import { orName } from '../part.js';
import { PRECISIONS } from '../engines/precision.js';
import { ON_DIVERGENCE } from './divergence.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../optimizers/optimizers.js';
import { schedules, scheduleSchema } from '../schedules/schedules.js';
import { weightings } from '../weightings/weightings.js';
import { diagnosticsOptions } from './diagnostics.js';
import { evaluationOptions } from './intervals.js';

/** The `training` section of a config. */
export const trainingOptions = z
  .strictObject({
    epochs: z.int().min(1).default(1).describe('times that all rows of train are gone through, at the most'),
    batchSize: z.int().min(1).max(1 << 20).default(1024).describe('rows of a batch'),
    firstBias: z.enum(['labels', 'drawn']).default('labels').describe("where the last bias of each task's tower starts: so that the mean prediction is the mean of the label on train, or drawn like other biases"),
    shuffle: z.boolean().default(true).describe('a new order every epoch, decided by the seed'),
    shuffleWindow: z.int().min(1).max(1 << 24).default(1 << 18).describe('rows that are shuffled together, in memory'),
    optimizer: z
      .strictObject({
        dense: denseOptimizers.schema.prefault({}).describe('for the weights of the model'),
        embeddings: embeddingOptimizerSchema.prefault({}).describe('for the embedding tables'),
        wide: embeddingOptimizerSchema.optional().describe("for the tables of a model's wide part; that of the embeddings where it is not given"),
      })
      .prefault({})
      .describe('how weights move by their gradients'),
    schedule: orName(scheduleSchema, schedules.names).prefault({}).describe('how the learning rates change from step to step'),
    weighting: orName(weightings.schema, weightings.names).prefault({}).describe('how much the loss of each task counts'),
    termWeights: z.record(z.string(), z.number().min(0)).default({}).describe("factors of single terms of the loss, as in { ctcvr: 2 }, beside the tasks' own weights"),
    accumulate: z.int().min(1).max(4096).default(1).describe('batches of a step: their gradients are added up, as in one batch of all their rows'),
    clip: z
      .strictObject({
        norm: z.number().positive().optional().describe('the norm of the gradient is brought down to this'),
        apart: z.boolean().default(false).describe('dense weights and embeddings have norms of their own'),
        value: z.number().positive().optional().describe('no number of the gradient is larger'),
      })
      .refine(({ norm, value }) => norm !== undefined || value !== undefined, 'expected norm or value, found neither; write clip: { norm: 1 }, or leave clip out')
      .optional()
      .describe('limits of the gradient; without it there is none'),
    precision: z.enum(PRECISIONS).default('f32').describe('what the matrix products of a step take: numbers as they are, or rounded to bfloat16, which is faster on processors with AVX-512-BF16, or to half precision, on GPUs by WebGPU; sums, weights and predictions are in single precision'),
    average: z
      .strictObject({
        decay: z.number().positive().max(0.999999).default(0.999).describe('a step weighs so much of what the one after it weighs: 0.999 averages over some 1000 steps'),
      })
      .optional()
      .describe('an exponential average of the weights is what is evaluated, kept as the best and predicted with'),
    dealtRows: z.int().min(1).optional().describe('where several processes train: a table of so many rows or more is dealt out among them, a smaller one each of them has; 4096 where it is not given'),
    batchNorm: z.enum(BATCH_NORM_ROWS).default('global').describe('where several processes train: mean and variance of a batch are those of all its rows, or each process takes those of its own rows, so that they need not wait for each other; what is predicted with is then the mean over the processes'),
    evaluation: evaluationOptions.optional(),
    logEverySteps: z.int().min(1).default(100).describe('steps whose mean loss is a line of metrics.jsonl'),
    diagnostics: diagnosticsOptions.optional(),
    onDivergence: z
      .enum(ON_DIVERGENCE)
      .default('stop')
      .describe('at a loss that is not finite: stop, or skip the update of its batch, which is counted'),
    monitor: z
      .string()
      .default('loss')
      .describe("what chooses the best epoch on valid: 'loss', a metric of a task, as in ctcvr.auc, or a weighted sum of these, as in 0.5*ctr.auc + 0.5*ctcvr.auc"),
    earlyStopping: z
      .strictObject({
        patience: z.int().min(1).default(2).describe('times that valid is measured without progress before training stops'),
        minDelta: z.number().min(0).default(0).describe('progress smaller than this does not count'),
      })
      .optional()
      .describe('stop when valid no longer improves; without it all epochs are trained'),
  })
  .describe('how the model is trained');
export type TrainingOptions = z.output<typeof trainingOptions>;
