import { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import { mlp, mlpOptions } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { concatItems, defineEncoder, type SequenceContext } from './encoder.js';
import { listSideInputs, logShares, normEmbedding, positionOption } from './item-inputs.js';

const WEIGHTS = ['softplus', 'sigmoid', 'softmax', 'linear'] as const;
type Weights = (typeof WEIGHTS)[number];

const inputOptions = {
  norm: z.boolean().default(true).describe('Whether the network reads each embedding through a layer norm'),
  position: positionOption('the network reads'),
};
type InputOptions = z.output<z.ZodObject<typeof inputOptions>>;

/**
 * Attention of the candidate to each item, as in the deep interest network (DIN, Zhou et al. 2018,
 * https://arxiv.org/abs/1706.06978, section 4.3): a network reads the candidate q and an item k as q, k, q - k and
 * q ⊙ k, and returns the item's score. Fields without a target are further inputs of the network, as are recency and
 * shares. The result is Σ weight · item over all fields, and Σ weight.
 *
 * The paper's weights are the scores (`linear`), without a softmax, so that many matching items have a large sum.
 * `softplus` and `sigmoid` keep this property with positive weights. The paper has no layer norms, no sum of weights
 * and no products that are added to scores. With them, a match is learned within fewer steps: the network reads
 * embeddings before they have grown, the tower reads the strength of the match, and similar items have larger weights
 * initially.
 *
 * A weight is multiplied by the share of its item, before a softmax is normalized: an item of share 2/3 counts as two
 * of three equal items.
 */
export const targetAttention = defineEncoder({
  name: 'target-attention',
  summary: 'DIN: sum of the items, each weighted by a network of the candidate and the item',
  requiresTarget: true,
  options: () => ({
    hidden: mlpOptions.shape.hidden.default([36]).describe('Layer widths of the network, input side first'),
    activation: mlpOptions.shape.activation.default('dice').describe('Activation of the network'),
    weights: z.enum(WEIGHTS).default('softplus').describe('Function of the scores that gives the weights of items'),
    ...inputOptions,
    products: z
      .boolean()
      .default(true)
      .describe('Whether scores add a weighted sum of products, initially the scaled dot product'),
    sum: z
      .boolean()
      .default(true)
      .describe('Whether the result has the sum of weights (softmax: of weight · score) of a row'),
  }),

  build({ hidden, activation, weights, products, sum, ...inputs }, context) {
    const { g, fields } = context;
    const { q, k, product, others } = readInputs(context, inputs);
    const x = g.concat([q, k, g.add(q, g.affine(k, -1, 0)), product, ...others]);
    const h = mlp(g, x, { hidden, activation, dropout: 0, batchNorm: false }, 'attention');
    const computed = g.linear(h, 1, 'attention.out', { firstBias: FIRST_BIAS[weights] });
    const scores = products ? g.add(computed, sumProducts(g, product)) : computed;
    const attention = WEIGH[weights](g, scores, context.weights);
    const pooled = g.segmentPool(concatItems(g, fields), 'sum', attention);
    if (!sum) return { output: pooled, weights: attention };
    const strength = weights === 'softmax' ? g.segmentPool(scores, 'sum', attention) : g.segmentPool(attention, 'sum');
    return { output: g.concat([pooled, strength]), weights: attention };
  },
});

/** Inputs of the network, one row per item. */
interface NetworkInputs {
  /** The candidate, of fields with a target. */
  readonly q: Value;
  /** The items of the attended fields. */
  readonly k: Value;
  readonly product: Value;
  /** Items of other fields, and what else the network reads. */
  readonly others: readonly Value[];
}

function readInputs(context: SequenceContext, { norm, position }: InputOptions): NetworkInputs {
  const { g, domain, fields } = context;
  const read = (x: Value, name: string): Value => (norm ? normEmbedding(g, x, `norms.${name}`) : x);
  const pairs = fields.map(({ field, items, target }) => ({
    items: read(items, `${field}.items`),
    target: target && read(target, `${field}.target`),
  }));
  const targets = pairs.flatMap(({ target }) => target ?? []);
  const q = g.expand(g.concat(targets), domain);
  const k = concatItems(
    g,
    pairs.filter(({ target }) => target !== undefined),
  );
  const others = pairs.filter(({ target }) => target === undefined).map(({ items }) => items);
  return { q, k, product: g.multiply(q, k), others: [...others, ...listSideInputs(context, position)] };
}

/** Adds a weighted sum of products; initially, it is the scaled dot product (Vaswani et al. 2017, eq. 1). */
function sumProducts(g: GraphBuilder, product: Value): Value {
  return g.linear(product, 1, 'products', { bias: false, firstWeight: 1 / Math.sqrt(product.width) });
}

/** Initial bias of the scores. Positive weights start near 0.1, so that sums over long histories are not large. */
const FIRST_BIAS: Readonly<Record<Weights, number | undefined>> = {
  softplus: -2,
  sigmoid: -2,
  softmax: undefined,
  linear: undefined,
};

/** Computes the weights of items from their scores and their shares, if there are any. */
const WEIGH: Readonly<Record<Weights, (g: GraphBuilder, scores: Value, shares: Value | undefined) => Value>> = {
  softplus: (g, scores, shares) => timesShares(g, g.map(scores, 'softplus'), shares),
  sigmoid: (g, scores, shares) => timesShares(g, g.activation(scores, 'sigmoid', 'attention.weights'), shares),
  softmax: (g, scores, shares) => g.segmentSoftmax(shares === undefined ? scores : g.add(scores, logShares(g, shares))),
  linear: (g, scores, shares) => timesShares(g, scores, shares),
};

function timesShares(g: GraphBuilder, weights: Value, shares: Value | undefined): Value {
  return shares === undefined ? weights : g.multiply(weights, shares);
}
