import { z } from 'zod';
import { mlpOptions, type MlpOptions } from '../graph/mlp.js';
import type { Finding } from '../part.js';

/** Blocks of an expert: at least one. */
export const expertOptions = mlpOptions.extend({ hidden: mlpOptions.shape.hidden.default([16]) });

/** How a gate is made. */
export const gateOptions = z.strictObject({ batchNorm: z.boolean().default(true) }).prefault({}).describe('linear, batch norm, softmax over experts');

/** Experts without a layer would be the input itself. */
export function* checkExperts({ experts }: { readonly experts: MlpOptions }): Generator<Finding> {
  if (experts.hidden.length === 0) yield { path: ['experts', 'hidden'], message: 'expected at least one layer' };
}
