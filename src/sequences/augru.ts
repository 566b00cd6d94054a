import type { Value } from '../graph/operations.js';
import { defineEncoder, type SequenceContext } from './encoder.js';
import { logShares, normEmbedding } from './item-inputs.js';
import { buildStates, buildUnit, selectNewest, recurrentOptions } from './recurrent.js';

/**
 * Interest evolution of DIEN (Zhou et al. 2019, https://arxiv.org/abs/1809.03672): a recurrent unit turns items into
 * interests (eq. 2 to 5), and a second one reads the interests, its update gate scaled by the attention of the
 * candidate to each (AUGRU, eq. 15 and 16). The result is its last state. An interest h has the score <v, h ⊙ W q> of
 * the candidate q, which is eq. 14 with the matrix W diag(v): v starts at 1/√width. Scores are normalized by a softmax
 * over the row.
 *
 * The paper's auxiliary loss, which predicts the next item from each interest, is not part of an encoder: labels train
 * both units. Embeddings have layer norms, which the paper does not have. Shares are an input of the first unit and
 * factors of the attention, before it is normalized.
 */
export const augru = defineEncoder({
  name: 'augru',
  summary: 'DIEN: last state of a recurrent unit over interests, updated by the attention of the candidate',
  requiresTarget: true,
  options: () => recurrentOptions,

  build(options, context) {
    const { g } = context;
    const interests = buildStates(context, options, 'interests');
    const attention = attend(context, interests);
    const states = buildUnit(g, interests, options.width, 'evolution', attention);
    return { output: selectNewest(context, states), weights: attention };
  },
});

/** Computes the attention of the candidate to each interest: positive numbers with sum 1 in a row. */
function attend({ g, domain, fields, weights }: SequenceContext, interests: Value): Value {
  const targets = fields.flatMap(({ field, target }) =>
    target === undefined ? [] : [normEmbedding(g, target, `norms.${field}.target`)],
  );
  const { width } = interests;
  const candidate = g.expand(g.linear(g.concat(targets), width, 'candidate', { bias: false }), domain);
  const product = g.multiply(candidate, interests);
  const scores = g.linear(product, 1, 'attention', { bias: false, firstWeight: 1 / Math.sqrt(width) });
  return g.segmentSoftmax(weights === undefined ? scores : g.add(scores, logShares(g, weights)));
}
