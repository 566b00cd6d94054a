import { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import { selectGroups, type Features } from '../graph/features.js';
import { mlp, type MlpOptions } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import type { Experts } from './bottom.js';
import { expertOptions, gateOptions, type GateOptions } from './expert-options.js';

/** Options of experts that all tasks share, and of their gates. */
export const mixtureOptions = {
  experts: expertOptions
    .extend({ count: z.int().min(1).max(1024).default(8).describe('Number of experts') })
    .prefault({})
    .describe('Shared experts'),
  gate: gateOptions,
};

/** Builds the experts that all tasks share, and returns them with the input of their gates. */
export function buildExperts(
  g: GraphBuilder,
  features: Features,
  options: { readonly experts: MlpOptions & { readonly count: number }; readonly gate: GateOptions },
): { readonly experts: Experts; readonly gateInput: Value } {
  const { count, ...expert } = options.experts;
  const names = Array.from({ length: count }, (_, e) => `experts.${e}`);
  return {
    experts: { names, values: names.map((name) => mlp(g, features.input, expert, name)) },
    gateInput: selectGroups(g, features, options.gate.input).input,
  };
}
