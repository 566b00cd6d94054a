import { z } from 'zod';
import { formatChoices } from '../core/component.js';
import { PRECISIONS } from '../engines/precision.js';
import { ON_DIVERGENCE } from './divergence.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../optimizers/optimizers.js';
import { schedules, scheduleSchema } from '../schedules/schedules.js';
import { weightings } from '../weightings/weightings.js';
import { diagnosticsOptions } from './diagnostics.js';
import { evaluationOptions } from './intervals.js';

/** Schema of the section `training`. */
export const trainingOptions = z
  .strictObject({
    epochs: z.int().min(1).default(1).describe('Maximum number of training epochs'),
    batchSize: z
      .int()
      .min(1)
      .max(1 << 20)
      .default(1024)
      .describe('Rows per batch'),
    biasInit: z
      .enum(['prior', 'random'])
      .default('prior')
      .describe("Initial output bias of towers: the label's training-set rate (prior), or random"),
    shuffle: z.boolean().default(true).describe('Whether to shuffle each epoch, by the seed'),
    shuffleWindow: z
      .int()
      .min(1)
      .max(1 << 24)
      .default(1 << 18)
      .describe('Rows shuffled together in memory'),
    optimizer: z
      .strictObject({
        dense: denseOptimizers.schema.prefault({}).describe('Optimizer of dense weights'),
        embeddings: embeddingOptimizerSchema.prefault({}).describe('Optimizer of embedding tables'),
        wide: embeddingOptimizerSchema
          .optional()
          .describe("Optimizer of the wide part's tables; default: that of the embeddings"),
      })
      .prefault({})
      .describe('Optimizers'),
    schedule: formatChoices(scheduleSchema, schedules.names).prefault({}).describe('Learning-rate schedule'),
    lossWeighting: formatChoices(weightings.schema, weightings.names)
      .prefault({})
      .describe('Weighting of the task losses'),
    lossWeights: z
      .record(z.string(), z.number().min(0))
      .default({})
      .describe('Weights of loss terms, as in { ctcvr: 2 }, multiplied by the task weights'),
    accumulateBatches: z.int().min(1).max(4096).default(1).describe('Batches per step, with accumulated gradients'),
    clip: z
      .strictObject({
        norm: z.number().positive().optional().describe('Maximum gradient norm'),
        separate: z
          .boolean()
          .default(false)
          .describe('Whether dense weights and embeddings are clipped by separate norms'),
        value: z.number().positive().optional().describe('Maximum absolute value of a gradient element'),
      })
      .refine(
        ({ norm, value }) => norm !== undefined || value !== undefined,
        'expected norm or value, found neither; write clip: { norm: 1 }, or remove clip',
      )
      .optional()
      .describe('Gradient clipping; default: none'),
    precision: z
      .enum(PRECISIONS)
      .default('f32')
      .describe('Precision of matrix products: f32, bf16 (AVX-512-BF16) or f16 (WebGPU); the rest is f32'),
    ema: z
      .strictObject({
        decay: z
          .number()
          .positive()
          .max(0.999999)
          .default(0.999)
          .describe('EMA decay per step; 0.999 averages over about 1,000 steps'),
      })
      .optional()
      .describe('Exponential moving average (EMA) of the weights, used for validation, best checkpoint and prediction'),
    shardTablesFrom: z
      .int()
      .min(1)
      .optional()
      .describe('Minimum rows of a table to shard across ranks; smaller tables are replicated; default: 4096'),
    syncBatchNorm: z
      .boolean()
      .default(true)
      .describe('Whether batch-norm statistics span all ranks; false: per rank, averaged for prediction'),
    evaluation: evaluationOptions.optional(),
    logEverySteps: z.int().min(1).default(100).describe('Steps per mean loss in metrics.jsonl'),
    diagnostics: diagnosticsOptions.optional(),
    onDivergence: z
      .enum(ON_DIVERGENCE)
      .default('stop')
      .describe('Reaction to a non-finite loss: stop, or skip the step and count it'),
    monitor: z
      .string()
      .default('loss')
      .describe('Validation metric that selects the best epoch: loss, ctcvr.auc, or 0.5*ctr.auc + 0.5*ctcvr.auc'),
    earlyStopping: z
      .strictObject({
        patience: z.int().min(1).default(2).describe('Validations without improvement before training stops'),
        minDelta: z.number().min(0).default(0).describe('Minimum change that counts as an improvement'),
      })
      .optional()
      .describe('Early stopping on the validation set; default: train all epochs'),
  })
  .describe('Training hyperparameters');
export type TrainingOptions = z.output<typeof trainingOptions>;
