import { z } from 'zod';
import type { Value } from '../graph/operations.js';
import { defineBottom, forAllTasks } from './bottom.js';
import { deepPartOptions, withDeepPart } from './deep-part.js';

/**
 * Gated Deep Cross Network (Wang et al. 2023, https://arxiv.org/abs/2311.04635): a cross network whose layers have an
 * information gate on each product, x ← x₀ ⊙ (W x + b) ⊙ σ(V x) + x, so that deep cross networks drop products that
 * do not help. The deep layers are stacked on the cross network (GDCN-S) or parallel to it (GDCN-P).
 *
 * Equations as in https://github.com/reczoo/FuxiCTR (`model_zoo/GDCN`), which embeds numbers; here they are read as
 * they are.
 */
export const gdcn = defineBottom({
  name: 'gdcn',
  summary: 'Gated Deep Cross Network: feature crosses with a gate on each product',
  options: () => ({
    layers: z
      .int()
      .min(1)
      .max(64)
      .default(3)
      .describe('Number of gated cross layers; n layers multiply up to n + 1 features'),
    ...deepPartOptions('stacked'),
  }),

  build({ layers, ...deepPart }, { g, input, tasks }) {
    let x: Value = input;
    for (let layer = 0; layer < layers; layer++) {
      const name = `cross.${layer}`;
      const scores = g.linear(x, input.width, `${name}.gate`, { bias: false });
      const gate = g.activation(scores, 'sigmoid', `${name}.sigmoid`);
      x = g.add(g.multiply(g.multiply(input, g.linear(x, input.width, name)), gate), x);
    }
    return { outputs: forAllTasks(tasks, withDeepPart(g, input, x, deepPart)) };
  },
});
