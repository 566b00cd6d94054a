import { defineEncoder } from './encoder.js';
import { buildStates, selectNewest, recurrentOptions } from './recurrent.js';

/**
 * The last state of a gated recurrent unit (GRU, Cho et al. 2014, https://arxiv.org/abs/1406.1078) that reads the items
 * from the oldest to the newest, as in GRU4Rec (Hidasi et al. 2016, https://arxiv.org/abs/1511.06939). It depends on
 * the user only: a ranking computes it once for all candidates. The reset gate scales a product, as in PyTorch's `GRU`.
 */
export const gru = defineEncoder({
  name: 'gru',
  summary: 'GRU4Rec: last state of a recurrent unit over the items, without the candidate',
  options: () => recurrentOptions,

  build(options, context) {
    return { output: selectNewest(context, buildStates(context, options, 'gru')) };
  },
});
