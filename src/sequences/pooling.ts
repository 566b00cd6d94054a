import { z } from 'zod';
import { SEGMENT_POOLINGS } from '../graph/operations.js';
import { concatItems, defineEncoder } from './encoder.js';

/** Sum, mean or maximum of the items, by column. Weights apply to the mean alone. */
export const pooling = defineEncoder({
  name: 'pooling',
  summary: 'sum, mean or maximum of the items, without the candidate',
  options: () => ({
    of: z.enum(SEGMENT_POOLINGS).default('mean').describe('Statistic of the items, by column'),
  }),

  build({ of }, { g, fields, weights }) {
    const items = concatItems(g, fields);
    const isWeighted = weights !== undefined && of === 'mean';
    return { output: isWeighted ? g.segmentPool(items, 'sum', weights) : g.segmentPool(items, of) };
  },
});
