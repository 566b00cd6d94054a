import { z } from 'zod';
import type { Value } from '../graph/operations.js';
import { defineBottom, forAllTasks } from './bottom.js';
import { deepPartOptions, withDeepPart } from './deep-part.js';

/**
 * Deep & Cross Network v2 (Wang et al. 2021, https://arxiv.org/abs/2008.13535): x ← x₀ ⊙ (W x + b) + x per layer, so
 * that l layers produce products of up to l + 1 features, whatever their widths. With `rank`, W is a product U V of
 * that rank (section 3.4, without its mixture of experts). The deep layers are stacked on the cross network, which the
 * paper finds better on Criteo, or parallel to it.
 */
export const dcn = defineBottom({
  name: 'dcn',
  summary: 'Deep & Cross Network v2: explicit feature crosses of bounded degree',
  options: () => ({
    layers: z
      .int()
      .min(1)
      .max(64)
      .default(2)
      .describe('Number of cross layers; n layers multiply up to n + 1 features'),
    rank: z
      .int()
      .min(1)
      .max(65_536)
      .optional()
      .describe("Rank of the cross layers' weights, cheaper below half the input width; default: full rank"),
    ...deepPartOptions('stacked'),
  }),

  build({ layers, rank, ...deepPart }, { g, input, tasks }) {
    let x: Value = input;
    for (let layer = 0; layer < layers; layer++) {
      const name = `cross.${layer}`;
      const low = rank === undefined ? x : g.linear(x, rank, `${name}.down`, { bias: false });
      x = g.add(g.multiply(input, g.linear(low, input.width, rank === undefined ? name : `${name}.up`)), x);
    }
    return { outputs: forAllTasks(tasks, withDeepPart(g, input, x, deepPart)) };
  },
});
