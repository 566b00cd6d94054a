import { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import { mlpOptions } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { buildItems, checkHeads, readoutOption, readOut } from './blocks.js';
import { defineEncoder, type SequenceContext } from './encoder.js';
import { positionOption } from './item-inputs.js';

/** Distances with a bias of their own, if the config sets none. */
const DEFAULT_DISTANCES = 128;

const blockOptions = {
  heads: z.int().min(1).max(64).default(2).describe('Number of attention heads'),
  causal: z.boolean().default(true).describe('Whether items attend to older items only'),
  dropout: mlpOptions.shape.dropout.describe('Dropout probability before the last layer of a block'),
  distances: z
    .int()
    .min(0)
    .max(65_535)
    .optional()
    .describe('Distances of items with a bias of their own; default: 128, or 0 with item weights'),
  octaves: z
    .int()
    .min(0)
    .max(128)
    .default(40)
    .describe('Octaves of the time between items with a bias of their own; unused without ages'),
};
type BlockOptions = z.output<z.ZodObject<typeof blockOptions>>;

/**
 * Hierarchical sequential transduction units on the items (HSTU, Zhai et al. 2024, https://arxiv.org/abs/2402.17152,
 * section 3): U, V, Q, K = split(SiLU(f₁(LN(x)))), A = SiLU(Q Kᵀ + b) / n, y = x + f₂(LN(A V) ⊙ U) (eq. 1 to 3).
 * Weights are pointwise, without a softmax, so that they show how many items match and how well.
 *
 * b has a number for each distance between two items and, if the sequence has ages, one for each octave of the time
 * between them. Both are trained for each block, for all its heads, from 0 on.
 *
 * n is the number of items that an item attends to. The authors divide by the maximum length of a row, to which they
 * pad. Here the result of an item depends neither on that limit nor on later items if causal. Since a layer norm
 * follows, n matters only next to its ε, in which rows of few items would disappear if n were the maximum length.
 *
 * Differences to the paper: the candidate is no item of the sequence, it attends to the results afterwards, as in
 * `self-attention`; layer norms have a trained gain and shift, and one follows the blocks. Attention has the width
 * of the items. Items have a layer norm of their own, and are projected to `width` with functions of the position.
 */
export const hstu = defineEncoder({
  name: 'hstu',
  summary: 'HSTU: gated pointwise attention blocks on the items, then attention of the candidate if there is one',
  readsAges: true,
  options: () => ({
    blocks: z.int().min(1).max(16).default(1).describe('Number of blocks'),
    width: z.int().min(1).max(65_536).default(32).describe('Width of the items and the attention, a multiple of heads'),
    ...blockOptions,
    position: positionOption('blocks read'),
    readout: readoutOption(),
  }),

  check: checkHeads,

  build({ blocks, width, position, readout, ...options }, context) {
    const names = Array.from({ length: blocks }, (_, b) => `blocks.${b}`);
    const items = buildItems(context, width, position);
    const last = names.reduce((x, name) => buildBlock(context, x, options, name), items);
    return readOut(context, context.g.layerNorm(last, 'norm'), readout);
  },
});

/** Builds a block, with a residual sum. */
function buildBlock(context: SequenceContext, x: Value, options: BlockOptions, name: string): Value {
  const { g } = context;
  const normed = g.layerNorm(x, `${name}.norm`);
  const [u, v, q, k] = ['u', 'v', 'q', 'k'].map((role) =>
    g.activation(g.linear(normed, x.width, `${name}.${role}`), 'swish', `${name}.${role}.activation`),
  ) as [Value, Value, Value, Value];
  const attended = g.pointwiseAttention(q, k, v, attentionOptions(context, options), `${name}.attention`);
  const gated = g.multiply(g.layerNorm(attended, `${name}.attention.norm`), u);
  return g.add(x, g.linear(g.dropout(gated, options.dropout, `${name}.dropout`), x.width, `${name}.output`));
}

/** Returns the settings of an attention; distances that no row has have no bias. */
function attentionOptions(
  { ages, maxItems, weights }: SequenceContext,
  { heads, causal, distances, octaves }: BlockOptions,
): Parameters<GraphBuilder['pointwiseAttention']>[3] {
  const most = distances ?? (weights === undefined ? DEFAULT_DISTANCES : 0);
  const aged = octaves > 0 && ages !== undefined ? { octaves, ages } : {};
  return { heads, isCausal: causal, distances: Math.min(most, maxItems), ...aged };
}
