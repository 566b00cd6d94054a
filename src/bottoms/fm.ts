import { quoted } from '../core/errors.js';
import { fieldValues, hasEmbedding, type InputField } from '../graph/features.js';
import type { Value } from '../graph/operations.js';
import { IncompatibleFeaturesError } from '../core/component.js';
import { defineBottom, forAllTasks } from './bottom.js';
import { deepPartOptions, withDeepPart } from './deep-part.js';

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
    const width = findCommonWidth(features.fields);
    const embeddings = fieldValues(g, features).map((value, f): Value => {
      const field = features.fields[f]!;
      return hasEmbedding(field) ? value : g.linear(value, width, `factors.${field.field}`, { bias: false });
    });
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

/**
 * Returns the common width of all embeddings.
 * @throws IncompatibleFeaturesError if widths differ or fewer than two fields can be multiplied
 */
function findCommonWidth(fields: readonly InputField[]): number {
  const [first, ...others] = fields.filter(hasEmbedding);
  if (first === undefined)
    throw new IncompatibleFeaturesError({
      path: ['model'],
      message:
        'fm requires embeddings, but its input has only numbers; ' +
        'use type bucketized or piecewise-linear, or add groups to input',
    });
  if (fields.length < 2)
    throw new IncompatibleFeaturesError({
      path: ['model'],
      message:
        `fm multiplies pairs of fields, but its input has only ${quoted(first.field)}; ` +
        'add fields or groups to input',
    });
  const other = others.find(({ width }) => width !== first.width);
  if (other === undefined) return first.width;
  const groups =
    other.group === first.group ? '' : `, or select groups of equal width, such as input: [${first.group}]`;
  throw new IncompatibleFeaturesError({
    path: ['features', ...(other.group === undefined ? [] : [other.group])],
    message:
      `fm requires embeddings of equal width, but ${quoted(other.field)} has width ${other.width} and ` +
      `${quoted(first.field)} ${first.width}; set the same width${groups}`,
  });
}
