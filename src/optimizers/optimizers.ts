import { z } from 'zod';
import { registry } from '../part.js';
import * as all from './all.js';

/** Every optimizer by its name in the YAML. */
export const optimizers = registry(all, 'name', all.adam.name);
export type OptimizerSpec = Parameters<typeof optimizers.build>[0];

/** What the optimizer of the embedding tables may say beyond its own options. */
export const embeddingOptimizerSchema = optimizers.schemaWith({
  lazy: z.boolean().default(true).describe('update the rows that a batch touches; false updates every row, as PyTorch does'),
});
export type EmbeddingOptimizerSpec = z.output<typeof embeddingOptimizerSchema>;
