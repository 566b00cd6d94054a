import { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/operations.js';
import { defineEncoder, type SequenceContext, type SequenceField } from './encoder.js';
import { targetAttention } from './target-attention.js';

const SCORES = ['product', 'hash'] as const;

/** A field that is compared with the candidate. */
type ComparedField = SequenceField & { readonly target: Value };

/**
 * Attention of the candidate to the items of a long history that resemble it most. All items have a score; the `top`
 * items of a row are selected, of equal ones the newest, and target attention reads them alone, with their positions in
 * the whole history. Computations after the selection are proportional to the selected items.
 *
 * `by: product` is the soft search of the search-based interest model (SIM, Pi et al. 2020,
 * https://arxiv.org/abs/2006.05639, section 3.1): the inner product of projections of the candidate and the item. Here,
 * it is added to the inner product of their embeddings, and one projection starts at 0, so that the search finds
 * similar items initially. The paper trains the projections by an auxiliary loss. Here, the scores of the selected
 * items are a further field of the attention, whose gradient trains them together with the model.
 *
 * `by: hash` is ETA (Chen et al. 2021, https://arxiv.org/abs/2108.04468, section 4.1): the number of equal bits of two
 * hashes of embeddings, each bit being the sign of a random projection that is never trained (SimHash, Charikar 2002).
 * The hash has no gradient; attention trains the embeddings.
 */
export const search = defineEncoder({
  name: 'search',
  summary: 'SIM, ETA: target attention to the items of a long history that resemble the candidate most',
  requiresTarget: true,
  options: () => ({
    by: z
      .enum(SCORES)
      .default('product')
      .describe('Score of an item: trained inner product with the candidate, or equal bits of hashes'),
    top: z.int().min(1).max(65_536).default(50).describe('Number of items to select per row'),
    width: z.int().min(1).max(4096).optional().describe('Width of the projections of by: product; default: 16'),
    bits: z.int().min(1).max(256).optional().describe('Number of bits of the hashes of by: hash; default: 48'),
    attention: z
      .strictObject(targetAttention.options())
      .prefault({})
      .describe('Attention of the candidate to the selected items'),
  }),

  *check({ by, width, bits }) {
    if (by === 'hash' && width !== undefined)
      yield { path: ['width'], message: 'applies to by: product; remove it, or set bits' };
    if (by === 'product' && bits !== undefined)
      yield { path: ['bits'], message: 'applies to by: hash; remove it, or set width' };
  },

  build({ by, top, width = 16, bits = 48, attention }, context) {
    const { g, fields } = context;
    const compared = fields.filter((field): field is ComparedField => field.target !== undefined);
    const items = g.concat(compared.map((field) => field.items));
    const candidate = g.concat(compared.map(({ target }) => target));
    const query = by === 'product' ? addProjections(g, candidate, width) : candidate;
    const scores =
      by === 'product' ? g.itemProduct(items, query) : g.hashMatches(items, query, bits, 'hash.projection');
    const positions = g.selectTop(scores, top);
    const gathered = g.gatherItems(items, positions);
    const selected = selectItems(context, compared, gathered, positions);
    if (by === 'hash') return { ...targetAttention.build(attention, selected), positions };
    // The scores that select have no gradient; those of the selected items are computed again.
    const found = g.itemProduct(gathered, query);
    const results = { field: 'scores of the search', items: found, target: undefined };
    const fieldsAndScores = [...selected.fields, results];
    return { ...targetAttention.build(attention, { ...selected, fields: fieldsAndScores }), positions };
  },
});

/**
 * Adds q + B A q, with which the inner product of an item k is q · k + (A q) · (Bᵀ k): the product of the embeddings
 * and the product of their projections. B starts at 0.
 */
function addProjections(g: GraphBuilder, candidate: Value, width: number): Value {
  const projected = g.linear(candidate, width, 'search.candidate', { bias: false });
  return g.add(candidate, g.linear(projected, candidate.width, 'search.items', { bias: false, firstWeight: 0 }));
}

/** Returns the input of an encoder that reads the selected items alone. */
function selectItems(
  { g, fields, weights, ...context }: SequenceContext,
  compared: readonly SequenceField[],
  gathered: Value,
  positions: Value,
): SequenceContext {
  let begin = 0;
  const columns = new Map(
    compared.map((field) => {
      begin += field.items.width;
      return [field, g.slice(gathered, begin - field.items.width, field.items.width)];
    }),
  );
  return {
    ...context,
    g,
    domain: positions.rows,
    ages: undefined,
    positions,
    fields: fields.map((field) => ({
      ...field,
      items: columns.get(field) ?? g.gatherItems(field.items, positions),
    })),
    weights: weights && g.gatherItems(weights, positions),
  };
}
