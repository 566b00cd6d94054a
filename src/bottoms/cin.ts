import { z } from 'zod';
import type { Value } from '../graph/operations.js';
import { defineBottom, forAllTasks } from './bottom.js';
import { deepPartOptions, withDeepPart } from './deep-part.js';
import { fieldEmbeddings } from './field-embeddings.js';

/**
 * Compressed Interaction Network of xDeepFM (Lian et al. 2018, https://arxiv.org/abs/1803.05170): a layer combines the
 * products of all pairs of a feature map x_i of the layer below and a field's embedding v_f,
 * x'_h = Σ_i Σ_f W_hif (x_i ⊙ v_f) (eq. 6), so that l layers produce products of l + 1 fields. The result is the sum of
 * each feature map of each layer over the embedding columns (eq. 7). With the parallel deep layers and `wide: true`,
 * the model is xDeepFM.
 *
 * Tested against https://github.com/reczoo/FuxiCTR (`model_zoo/xDeepFM`), whose layers also have a bias, which the
 * paper does not.
 */
export const cin = defineBottom({
  name: 'cin',
  summary: 'Compressed Interaction Network of xDeepFM: products of field embeddings, layer by layer',
  options: () => ({
    maps: z
      .array(z.int().min(1).max(1024))
      .min(1)
      .max(16)
      .default([16, 16, 16])
      .describe('Number of feature maps of each layer; n layers multiply n + 1 fields'),
    ...deepPartOptions('parallel'),
  }),

  build({ maps, ...deepPart }, { g, tasks, ...features }) {
    const embeddings = fieldEmbeddings(g, features, 'cin');
    // A row per embedding column, with the fields as columns: layers work on each embedding column alone.
    const fields = g.split(g.concat(embeddings), embeddings[0]!.width, { isInterleaved: true });
    let x: Value = fields;
    const sums = maps.map((count, layer) => {
      const weighted = embeddings.map((_, f) => g.linear(x, count, `cin.${layer}.${f}`, { bias: false }));
      x = g.mixture(fields, weighted);
      return g.segmentPool(x, 'sum');
    });
    return { outputs: forAllTasks(tasks, withDeepPart(g, features.input, g.concat(sums), deepPart)) };
  },
});
