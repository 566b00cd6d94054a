import { IncompatibleFeaturesError } from '../core/component.js';
import { quoted } from '../core/errors.js';
import type { GraphBuilder } from '../graph/builder.js';
import { fieldValues, hasEmbedding, type Features, type InputField } from '../graph/features.js';
import type { Value } from '../graph/operations.js';

/**
 * Returns a vector per field, all of the same width: its embedding, or its numbers times trained vectors.
 * @param bottom name of the shared layers, for errors
 * @throws IncompatibleFeaturesError if widths differ or fewer than two fields can be multiplied
 */
export function fieldEmbeddings(g: GraphBuilder, features: Features, bottom: string): readonly Value[] {
  const width = findCommonWidth(features.fields, bottom);
  return fieldValues(g, features).map((value, f) => {
    const field = features.fields[f]!;
    return hasEmbedding(field) ? value : g.linear(value, width, `factors.${field.field}`, { bias: false });
  });
}

function findCommonWidth(fields: readonly InputField[], bottom: string): number {
  const [first, ...others] = fields.filter(hasEmbedding);
  if (first === undefined)
    throw new IncompatibleFeaturesError({
      path: ['model'],
      message:
        `${bottom} requires embeddings, but its input has only numbers; ` +
        'use type bucketized, piecewise-linear or periodic, or add groups to input',
    });
  if (fields.length < 2)
    throw new IncompatibleFeaturesError({
      path: ['model'],
      message:
        `${bottom} multiplies pairs of fields, but its input has only ${quoted(first.field)}; ` +
        'add fields or groups to input',
    });
  const other = others.find(({ width }) => width !== first.width);
  if (other === undefined) return first.width;
  const groups =
    other.group === first.group ? '' : `, or select groups of equal width, such as input: [${first.group}]`;
  throw new IncompatibleFeaturesError({
    path: ['features', ...(other.group === undefined ? [] : [other.group])],
    message:
      `${bottom} requires embeddings of equal width, but ${quoted(other.field)} has width ${other.width} and ` +
      `${quoted(first.field)} ${first.width}; set the same width${groups}`,
  });
}
