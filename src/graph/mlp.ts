import { z } from 'zod';
import type { GraphBuilder } from './builder.js';
import { ACTIVATIONS, type Value } from './operations.js';

/** Options of a stack of blocks: linear, batch norm, activation, dropout. */
export const mlpOptions = z.strictObject({
  hidden: z.array(z.int().min(1).max(65_536)).max(64).describe('Layer widths, input side first'),
  activation: z.enum(ACTIVATIONS).default('relu').describe('Activation after each layer'),
  dropout: z.number().min(0).lt(1).default(0).describe('Dropout probability after each activation'),
  batchNorm: z.boolean().default(false).describe('Whether to apply batch norm between a layer and its activation'),
});
export type MlpOptions = z.output<typeof mlpOptions>;

/** Builds the blocks of `options.hidden`: linear, batch norm, activation, dropout. */
export function mlp(g: GraphBuilder, x: Value, options: MlpOptions, name: string): Value {
  return options.hidden.reduce((h, width, layer) => block(g, h, width, options, `${name}.${layer}`), x);
}

/** Builds one block: linear, batch norm, activation, dropout. */
export function block(
  g: GraphBuilder,
  x: Value,
  width: number,
  options: Omit<MlpOptions, 'hidden'>,
  name: string,
): Value {
  const h = g.linear(x, width, name);
  const normed = options.batchNorm ? g.batchNorm(h, `${name}.norm`) : h;
  return g.dropout(g.activation(normed, options.activation, `${name}.activation`), options.dropout, `${name}.dropout`);
}

/**
 * Builds an MLP with one output unit that is not a task's head.
 * @param firstBias initial bias of the output unit; default: randomly initialized
 */
export function tower(g: GraphBuilder, x: Value, options: MlpOptions, name: string, firstBias?: number): Value {
  return g.linear(mlp(g, x, options, name), 1, `${name}.out`, { firstBias });
}
