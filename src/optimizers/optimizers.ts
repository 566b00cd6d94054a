import { z } from 'zod';
import { registry } from '../core/component.js';
import * as all from './all.js';

/** Every optimizer by its name in the YAML. */
export const optimizers = registry(all, 'name', all.adam.name);

type All = typeof all;
type DenseAll = { readonly [Key in keyof All as All[Key]['unit'] extends 'row' ? never : Key]: All[Key] };

/** A rule by rows stays among those for dense weights, so that who names it is told what to take. */
const forDense = Object.entries(all).map(([key, part]) => {
  if (part.unit !== 'row') return [key, part];
  const message = `'${part.name}' works by the rows of tables, which dense weights have none of; take '${part.denseInstead}'`;
  return [key, { ...part, check: () => [{ path: ['name'], message }] }];
});

/** The optimizers that dense weights can have. */
// A rule by rows passes no check, so no parsed spec names one.
export const denseOptimizers = registry(Object.fromEntries(forDense) as DenseAll, 'name', all.adam.name);
export type DenseOptimizerSpec = Parameters<typeof denseOptimizers.build>[0];

/** What the optimizer of the embedding tables may say beyond its own options. */
export const embeddingOptimizerSchema = optimizers.schemaWith({
  lazy: z
    .boolean()
    .default(true)
    .describe('Whether to update only rows of the batch; false updates every row, as PyTorch does'),
});
export type EmbeddingOptimizerSpec = z.output<typeof embeddingOptimizerSchema>;
