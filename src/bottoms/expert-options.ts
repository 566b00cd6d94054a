import { z } from 'zod';
import { inputOption } from '../graph/features.js';
import { mlpOptions, type MlpOptions } from '../graph/mlp.js';
import type { ValidationIssue } from '../core/component.js';

/** Options of an expert. */
export const expertOptions = mlpOptions.extend({ hidden: mlpOptions.shape.hidden.default([16]) });

/** Options of a gate and its input. */
export const gateOptions = z
  .strictObject({
    batchNorm: z.boolean().default(false).describe("Whether to apply batch norm before the gate's softmax"),
    input: inputOption('gates read; default: the input of their experts'),
  })
  .prefault({})
  .describe('Gate: linear layer, optional batch norm, softmax over experts');
export type GateOptions = z.output<typeof gateOptions>;

/** Requires at least one layer: without one, all experts would equal the input. */
export function* checkExperts({ experts }: { readonly experts: MlpOptions }): Generator<ValidationIssue> {
  if (experts.hidden.length === 0) yield { path: ['experts', 'hidden'], message: 'expected at least one layer' };
}
