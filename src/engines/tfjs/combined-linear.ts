import type { Tensor } from '@tensorflow/tfjs';
import type { ValueOf, WeightRows } from '../../graph/operations.js';
import type { TensorFlow } from './backend.js';
import type { Execution } from './execution.js';
import { expanded } from './item-operations.js';

/** Computes a layer whose matrix is combined from rows of a weight. */
export function combinedLinear(
  { x, base, weight, matrix, bias, rows }: ValueOf<'combinedLinear'>,
  run: Execution,
): Tensor {
  const { tf, get, parameter } = run;
  const product_NO = tf.matMul(get(x), combineRows(tf, parameter(weight), matrix));
  const sum_NO = base === undefined ? product_NO : tf.add(product_NO, expanded(get(base), rows, run));
  return bias === undefined ? sum_NO : tf.add(sum_NO, parameter(bias));
}

function combineRows(tf: TensorFlow, weight_IO: Tensor, matrix: readonly WeightRows[]): Tensor {
  const parts = matrix.map(({ count, terms }) =>
    terms
      .map(({ begin, factor }): Tensor => {
        const rows = tf.slice(weight_IO, [begin, 0], [count, -1]);
        return factor === 1 ? rows : tf.mul(rows, factor);
      })
      .reduce((sum, rows) => tf.add(sum, rows)),
  );
  return parts.length === 1 ? parts[0]! : tf.concat(parts, 0);
}
