import { quoted } from '../core/errors.js';
import { fieldValues, hasEmbedding, type InputField } from '../graph/features.js';
import type { Value } from '../graph/operations.js';
import { IncompatibleFeaturesError } from '../core/component.js';
import { defineBottom, forAllTasks } from './bottom.js';
import { deepPartOptions, withDeepPart } from './deep-part.js';

/**
 * The second-order term of a factorisation machine (Rendle 2010, https://doi.org/10.1109/ICDM.2010.127): what any two
 * fields say together is
 * the product of their embeddings. It is kept as a vector, Σ over pairs of v_i ⊙ v_j (the bi-interaction of He & Chua
 * 2017,
 * https://arxiv.org/abs/1708.05027), not added up to Rendle's number: so it stands below any tower, and one without
 * layers that weighs its columns alike
 * is his. With deep layers stacked on it, it is their NFM; parallel to it, and `wide: true`, DeepFM (Guo et al. 2017,
 * https://arxiv.org/abs/1703.04247).
 *
 * A number x has an embedding too, x · v with a learned v, as in Rendle's; of a vector, the sum of those of its
 * numbers.
 */
export const fm = defineBottom({
  name: 'fm',
  summary: 'Factorization Machine: pairwise products of field embeddings',
  options: () => deepPartOptions('parallel'),

  build(options, { g, tasks, ...features }) {
    const width = commonWidth(features.fields);
    const embeddings = fieldValues(g, features).map((value, f): Value => {
      const field = features.fields[f]!;
      return hasEmbedding(field) ? value : g.linear(value, width, `factors.${field.field}`, { bias: false });
    });
    // Each field with the sum of those before it: half as many products as pairs have, and no difference of large
    // numbers.
    let before = embeddings[0]!;
    const products = embeddings.slice(1).map((embedding): Value => {
      const product = g.multiply(before, embedding);
      before = g.add(before, embedding);
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
 * The width of all embeddings.
 * @throws Misfit where they differ, or there is nothing to multiply
 */
function commonWidth(fields: readonly InputField[]): number {
  const [first, ...others] = fields.filter(hasEmbedding);
  if (first === undefined)
    throw new IncompatibleFeaturesError({
      path: ['model'],
      message:
        'fm multiplies embeddings, and reads numbers alone; give them embeddings, as fields of type bucketized or piecewise-linear have, or let it read more groups',
    });
  if (fields.length < 2)
    throw new IncompatibleFeaturesError({
      path: ['model'],
      message: `fm multiplies fields with each other, and reads ${quoted(first.field)} alone; let it read more`,
    });
  const other = others.find(({ width }) => width !== first.width);
  if (other === undefined) return first.width;
  const groups =
    other.group === first.group ? '' : `, or let it read groups of one width, as in input: [${first.group}]`;
  throw new IncompatibleFeaturesError({
    path: ['features', ...(other.group === undefined ? [] : [other.group])],
    message: `fm multiplies embeddings with each other, and that of ${quoted(other.field)} has width ${other.width}, that of ${quoted(first.field)} ${first.width}; give them one width${groups}`,
  });
}
