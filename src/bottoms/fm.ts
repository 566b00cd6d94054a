import type { Value } from '../graph/operations.js';
import { defineBottom, forAllTasks } from './bottom.js';
import { deepPartOptions, withDeepPart } from './deep-part.js';
import { fieldEmbeddings } from './field-embeddings.js';

/**
 * The second-order term of a factorization machine (Rendle 2010, https://doi.org/10.1109/ICDM.2010.127): products of
 * the embeddings of every two fields. The result is the vector Σ over pairs of v_i ⊙ v_j (bi-interaction of He & Chua
 * 2017, https://arxiv.org/abs/1708.05027), not Rendle's scalar, so that any tower can read it; a tower without layers
 * and with equal weights is Rendle's. With stacked deep layers it is their NFM; with parallel ones and `wide: true`,
 * DeepFM (Guo et al. 2017, https://arxiv.org/abs/1703.04247).
 *
 * A number x has the embedding x · v with a trained v, as in Rendle's; a vector, the sum over its elements.
 */
export const fm = defineBottom({
  name: 'fm',
  summary: 'Factorization Machine: pairwise products of field embeddings',
  options: () => deepPartOptions('parallel'),

  build(options, { g, tasks, ...features }) {
    const embeddings = fieldEmbeddings(g, features, 'fm');
    // Multiplying each field with the sum of the previous ones halves the products and avoids differences of large
    // numbers.
    let sum = embeddings[0]!;
    const products = embeddings.slice(1).map((embedding): Value => {
      const product = g.multiply(sum, embedding);
      sum = g.add(sum, embedding);
      return product;
    });
    return {
      outputs: forAllTasks(
        tasks,
        withDeepPart(
          g,
          features.input,
          products.reduce((a, b) => g.add(a, b)),
          options,
        ),
      ),
    };
  },
});
