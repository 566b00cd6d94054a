import { z } from 'zod';
import { inputOption } from '../graph/features.js';
import { mlpOptions, type MlpOptions } from '../graph/mlp.js';
import type { ValidationIssue } from '../core/component.js';

/** Blocks of an expert: at least one. */
export const expertOptions = mlpOptions.extend({ hidden: mlpOptions.shape.hidden.default([16]) });

/**
 * How a gate is made, and what it looks at.
 * @param batchNorm whether it has a batch norm where the config does not say: torch-rechub's have, papers' mostly not
 */
export function gateOptions(batchNorm: boolean) {
  return z
    .strictObject({
      batchNorm: z.boolean().default(batchNorm).describe("Whether to apply batch norm before the gate's softmax"),
      input: inputOption('gates read; default: the input of their experts'),
    })
    .prefault({})
    .describe('Gate: linear layer, optional batch norm, softmax over experts');
}
export type GateOptions = z.output<ReturnType<typeof gateOptions>>;

/** Experts without a layer would be the input itself. */
export function* checkExperts({ experts }: { readonly experts: MlpOptions }): Generator<ValidationIssue> {
  if (experts.hidden.length === 0) yield { path: ['experts', 'hidden'], message: 'expected at least one layer' };
}
