import type { Tensor } from '@tensorflow/tfjs';
import type { SearchOperation, ValueOf } from '../../graph/operations.js';
import type { Execution } from './execution.js';
import { withGradients } from './gradients.js';

type SearchOperationTable = {
  readonly [Name in SearchOperation]: (value: ValueOf<Name>, run: Execution) => Tensor;
};

/** Operations that score items for the candidate, select some, and copy those. */
export const SEARCH_OPERATION: SearchOperationTable = {
  itemProduct: ({ x, query, rows }, { tf, get, segments }) => {
    const of = segments(rows);
    return withGradients(tf, [get(x), get(query)], () => ({
      value: tf.sum(tf.mul(get(x), of.expand(get(query))), 1, true),
      saved: [get(x), get(query)],
      gradients: (d_N1, [x_NI, query_BI]) => [tf.mul(d_N1, of.expand(query_BI!)), of.sum(tf.mul(d_N1, x_NI!))],
    }));
  },

  hashMatches: ({ x, query, projection, rows }, { tf, get, segments, parameter }) =>
    withGradients(tf, [get(x), get(query)], () => {
      const hash = (of: Tensor): Tensor => tf.cast(tf.less(tf.matMul(of, parameter(projection)), 0), 'float32');
      const areEqual = tf.equal(hash(get(x)), segments(rows).expand(hash(get(query))));
      return {
        value: tf.sum(tf.cast(areEqual, 'float32'), 1, true),
        saved: [get(x), get(query)],
        gradients: (_, saved) => saved.map((each) => tf.zerosLike(each)),
      };
    }),

  selectTop: ({ scores, rows }, { tf, get, segments }) =>
    withGradients(tf, [get(scores)], () => ({
      value: segments(scores.rows).largest(get(scores), segments(rows)),
      saved: [get(scores)],
      gradients: (_, saved) => saved.map((each) => tf.zerosLike(each)),
    })),

  gatherItems: ({ x, positions, rows }, { tf, get, segments }) =>
    withGradients(tf, [get(x), get(positions)], () => {
      const places = segments(x.rows).placesOf(get(positions), segments(rows));
      return {
        value: tf.gather(get(x), places),
        saved: [places, get(x), get(positions)],
        gradients: (dy, [at, like, other]) => [
          tf.scatterND(tf.expandDims(at!, 1), dy, like!.shape),
          tf.zerosLike(other!),
        ],
      };
    }),
};
