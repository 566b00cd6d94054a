import { z } from 'zod';
import { registry } from '../core/component.js';
import * as all from './all.js';

/** Every optimizer by its name in the config. */
export const optimizers = registry(all, 'name', all.adam.name);

type All = typeof all;
type DenseAll = { readonly [Key in keyof All as All[Key]['unit'] extends 'row' ? never : Key]: All[Key] };

/** Row-wise rules are listed but rejected for dense weights, so that the error can suggest an alternative. */
const denseEntries = Object.entries(all).map(([key, part]) => {
  if (part.unit !== 'row') return [key, part];
  const message = `'${part.name}' requires rows of tables, which dense weights do not have; use '${part.denseInstead}'`;
  return [key, { ...part, check: () => [{ path: ['name'], message }] }];
});

/** Optimizers for dense weights. */
// Row-wise rules fail their check, so no parsed spec names one.
export const denseOptimizers = registry(Object.fromEntries(denseEntries) as DenseAll, 'name', all.adam.name);
export type DenseOptimizerSpec = Parameters<typeof denseOptimizers.build>[0];

/** Options of the embedding optimizer, including those outside the rule. */
export const embeddingOptimizerSchema = optimizers.schemaWith({
  lazy: z
    .boolean()
    .default(true)
    .describe('Whether to update only rows of the batch; false updates every row, as PyTorch does'),
});
export type EmbeddingOptimizerSpec = z.output<typeof embeddingOptimizerSchema>;
