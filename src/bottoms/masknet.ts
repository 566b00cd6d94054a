import { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import { fieldValues, hasEmbedding, type Features } from '../graph/features.js';
import { mlp, mlpOptions } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { defineBottom, forAllTasks } from './bottom.js';

const blockOptions = {
  reductionRatio: z.number().positive().max(64).default(1).describe("Width of a mask's hidden layer per masked column"),
  activation: mlpOptions.shape.activation.describe('Activation after each block'),
  dropout: mlpOptions.shape.dropout.describe('Dropout probability after each activation'),
  blockNorm: z.boolean().default(true).describe('Whether each block applies layer norm before its activation'),
};
type BlockOptions = z.output<z.ZodObject<typeof blockOptions>>;

/**
 * MaskNet (Wang et al. 2021, https://arxiv.org/abs/2102.07619): blocks that multiply their input with a mask computed
 * from all features. A block on h is act(LN(W (mask ⊙ h))), and its mask is W₂ relu(W₁ x + b₁) + b₂ with features x
 * (eq. 4 to 7). The first input is the features, each embedding with a layer norm of its own (LN-EMB). Blocks are in
 * series (SerMaskNet), or all read the features and are concatenated (ParaMaskNet), below deep layers.
 *
 * Equations as in https://github.com/reczoo/FuxiCTR (`model_zoo/MaskNet`), which embeds numbers; here they are read as
 * they are, without a layer norm.
 */
export const masknet = defineBottom({
  name: 'masknet',
  summary: 'MaskNet: blocks that multiply their input with a mask computed from all features',
  options: () => ({
    variant: z.enum(['serial', 'parallel']).default('serial').describe('Whether blocks are in series or parallel'),
    blocks: mlpOptions.shape.hidden.min(1).default([64, 64, 64]).describe('Widths of the blocks'),
    ...blockOptions,
    embeddingNorm: z.boolean().default(true).describe('Whether each embedding has a layer norm'),
    deep: mlpOptions
      .extend({ hidden: mlpOptions.shape.hidden.default([]) })
      .prefault({})
      .describe('Deep layers on the blocks; none if hidden is []'),
  }),

  build({ variant, blocks, embeddingNorm, deep, ...options }, { g, tasks, ...features }) {
    const normed = embeddingNorm ? normEmbeddings(g, features) : features.input;
    const block = (x: Value, width: number, b: number): Value =>
      maskBlock(g, features.input, x, width, options, `blocks.${b}`);
    const h =
      variant === 'serial' ? blocks.reduce(block, normed) : g.concat(blocks.map((width, b) => block(normed, width, b)));
    return { outputs: forAllTasks(tasks, mlp(g, h, deep, 'deep')) };
  },
});

/** Applies a layer norm to each embedding. Numbers are unchanged, since the norm of one column is a constant. */
function normEmbeddings(g: GraphBuilder, features: Features): Value {
  return g.concat(
    fieldValues(g, features).map((value, f) => {
      const field = features.fields[f]!;
      return hasEmbedding(field) && field.width > 1 ? g.layerNorm(value, `norms.${field.field}`) : value;
    }),
  );
}

/** Builds a block of `width` columns on `x`, with a mask computed from `input`. */
function maskBlock(
  g: GraphBuilder,
  input: Value,
  x: Value,
  width: number,
  { reductionRatio, activation, dropout, blockNorm }: BlockOptions,
  name: string,
): Value {
  const hidden = Math.max(1, Math.floor(x.width * reductionRatio));
  const aggregated = g.activation(g.linear(input, hidden, `${name}.mask.0`), 'relu', `${name}.mask.relu`);
  const masked = g.multiply(g.linear(aggregated, x.width, `${name}.mask.1`), x);
  const h = g.linear(masked, width, name, { bias: false });
  const normed = blockNorm ? g.layerNorm(h, `${name}.norm`) : h;
  return g.dropout(g.activation(normed, activation, `${name}.activation`), dropout, `${name}.dropout`);
}
