import { z } from 'zod';
import type { GraphBuilder } from './builder.js';
import { ACTIVATIONS, type Value } from './operations.js';

/** Options of a stack of blocks of linear, batch norm, activation and dropout. */
export const mlpOptions = z.strictObject({
  hidden: z.array(z.int().min(1).max(65_536)).max(64).describe('width of each layer, from the input on'),
  activation: z.enum(ACTIVATIONS).default('relu'),
  dropout: z.number().min(0).lt(1).default(0).describe('share of numbers that training drops after each activation'),
  batchNorm: z.boolean().default(true),
});
export type MlpOptions = z.output<typeof mlpOptions>;

/** The blocks of `options.hidden`, one on the other: linear, batch norm, activation, dropout. */
export function mlp(g: GraphBuilder, x: Value, options: MlpOptions, name: string): Value {
  let h = x;
  options.hidden.forEach((width, layer) => {
    const block = `${name}.${layer}`;
    h = g.linear(h, width, block);
    if (options.batchNorm) h = g.batchNorm(h, `${block}.norm`);
    h = g.activation(h, options.activation, `${block}.activation`);
    h = g.dropout(h, options.dropout, `${block}.dropout`);
  });
  return h;
}

/** A tower: the blocks, then one number a row. */
export function tower(g: GraphBuilder, x: Value, options: MlpOptions, name: string): Value {
  return g.linear(mlp(g, x, options, name), 1, `${name}.out`);
}
