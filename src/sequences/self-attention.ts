import { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import { mlpOptions } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { buildItems, checkHeads, readoutOption, readOut } from './blocks.js';
import { defineEncoder } from './encoder.js';
import { positionOption } from './item-inputs.js';

const blockOptions = {
  heads: z.int().min(1).max(64).default(2).describe('Number of attention heads'),
  hidden: z.int().min(1).max(65_536).default(64).describe('Width of the hidden layer of each block'),
  activation: mlpOptions.shape.activation.default('leaky-relu').describe('Activation of the hidden layers'),
  dropout: mlpOptions.shape.dropout.describe('Dropout probability after the attention and the layers of a block'),
  causal: z.boolean().default(false).describe('Whether items attend to older items only'),
  norm: z
    .enum(['pre', 'post'])
    .default('post')
    .describe('Position of the layer norms: before or after the residual sums'),
};
type BlockOptions = z.output<z.ZodObject<typeof blockOptions>>;

/**
 * Transformer blocks on the items, as in the behavior sequence transformer (BST, Chen et al. 2019,
 * https://arxiv.org/abs/1905.06874): s = LN(x + MH(x)), then LN(s + W₂ act(W₁ s + b₁) + b₂) (eq. 3 to 7), with biases
 * as in PyTorch's `TransformerEncoderLayer`. `norm: pre` applies layer norms to x and s instead, and one after all
 * blocks (Xiong et al. 2020, https://arxiv.org/abs/2002.04745).
 *
 * Differences to the paper: the candidate is no item of the sequence. It attends to the items afterwards, by the
 * target attention of `readout`, which reads the results of the blocks as one more field without a target; without
 * targets, the result is the mean of the results. The paper embeds the time between an item and the candidate; here,
 * blocks read functions of the position. Items have a layer norm of their own, and are projected to `width`.
 *
 * Shares are an input of the blocks and weights of the readout. They do not change the attention between items.
 */
export const selfAttention = defineEncoder({
  name: 'self-attention',
  summary: 'BST: transformer blocks on the items, then attention of the candidate if there is one',
  options: () => ({
    blocks: z.int().min(1).max(16).default(1).describe('Number of transformer blocks'),
    width: z.int().min(1).max(65_536).default(32).describe('Width of the items within blocks, a multiple of heads'),
    ...blockOptions,
    position: positionOption('blocks read'),
    readout: readoutOption(),
  }),

  check: checkHeads,

  build({ blocks, width, position, readout, ...options }, context) {
    const { g } = context;
    const projected = buildItems(context, width, position);
    const names = Array.from({ length: blocks }, (_, b) => `blocks.${b}`);
    const last = names.reduce<Value>((x, name) => buildBlock(g, x, options, name), projected);
    const items = options.norm === 'pre' ? g.layerNorm(last, 'norm') : last;
    return readOut(context, items, readout);
  },
});

/** Builds a block: attention of the items to each other, and two layers; each is added to its input. */
function buildBlock(g: GraphBuilder, x: Value, options: BlockOptions, name: string): Value {
  const { heads, hidden, activation, dropout, causal, norm } = options;
  const addPart = (input: Value, part: string, build: (h: Value) => Value): Value => {
    const normed = (value: Value): Value => g.layerNorm(value, `${name}.${part}.norm`);
    const output = g.dropout(build(norm === 'pre' ? normed(input) : input), dropout, `${name}.${part}.dropout`);
    const sum = g.add(input, output);
    return norm === 'pre' ? sum : normed(sum);
  };
  const attended = addPart(x, 'attention', (h) => {
    const project = (value: Value, role: string): Value => g.linear(value, x.width, `${name}.attention.${role}`);
    const [query, key, value] = [project(h, 'query'), project(h, 'key'), project(h, 'value')];
    return project(g.segmentAttention(query, key, value, { heads, isCausal: causal }), 'output');
  });
  return addPart(attended, 'layers', (h) => {
    const inner = g.activation(g.linear(h, hidden, `${name}.layers.0`), activation, `${name}.layers.activation`);
    return g.linear(inner, x.width, `${name}.layers.1`);
  });
}
