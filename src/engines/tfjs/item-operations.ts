import type { Tensor } from '@tensorflow/tfjs';
import type { Domain } from '../../graph/domain.js';
import type { ItemOperation, ValueOf } from '../../graph/operations.js';
import { attention } from './attention.js';
import type { TensorFlow } from './backend.js';
import type { Execution } from './execution.js';
import { withGradients } from './gradients.js';
import { gru } from './gru.js';
import type { Segments } from './segments.js';

type ItemOperationTable = {
  readonly [Name in ItemOperation]: (value: ValueOf<Name>, run: Execution) => Tensor;
};

/** Operations on the items of sequences. */
export const ITEM_OPERATION: ItemOperationTable = {
  expand: ({ x, rows }, run) => expanded(run.get(x), rows, run),

  segmentPool: ({ x, of: pooling, weights }, { tf, get, segments }) => {
    const [x_NI, of] = [get(x), segments(x.rows)];
    if (weights !== undefined) return weightedSum(tf, x_NI, get(weights), of);
    if (pooling === 'max') return pooledMax(tf, x_NI, of);
    const averaged = (each: Tensor): Tensor => (pooling === 'mean' ? tf.mul(each, of.shares()) : each);
    return withGradients(tf, [x_NI], () => ({
      value: averaged(of.sum(x_NI)),
      gradients: (dy_BI) => [of.expand(averaged(dy_BI))],
    }));
  },

  segmentSoftmax: ({ x, rows }, { tf, get, segments }) => {
    const [x_NI, of] = [get(x), segments(rows)];
    const totals = (each_NI: Tensor): Tensor => of.expand(of.sum(each_NI));
    return withGradients(tf, [x_NI], () => {
      const powers_NI = tf.exp(tf.sub(x_NI, of.expand(of.max(x_NI))));
      const y_NI = tf.div(powers_NI, totals(powers_NI));
      return {
        value: y_NI,
        saved: [y_NI],
        gradients: (dy_NI, [saved_NI]) => [tf.mul(saved_NI!, tf.sub(dy_NI, totals(tf.mul(dy_NI, saved_NI!))))],
      };
    });
  },

  shift: ({ x, by, rows }, { tf, get, segments }) => {
    const of = segments(rows);
    return withGradients(tf, [get(x)], () => ({
      value: of.shift(get(x), by),
      gradients: (dy_NI) => [of.shift(dy_NI, -by)],
    }));
  },

  segmentAttention: ({ query, key, value, bias, ages, rows, ...settings }, { tf, get, segments, parameter }) => {
    const inputs = {
      query: get(query),
      key: get(key),
      value: get(value),
      bias: bias && parameter(bias),
      ages: ages && get(ages),
    };
    return attention(tf, segments(rows), inputs, settings);
  },

  segmentGru: ({ x, weight, bias, attention, rows }, { tf, get, segments, parameter }) =>
    gru(tf, segments(rows), {
      x_NG: get(x),
      w_HG: parameter(weight),
      b_1G: parameter(bias),
      a_N1: attention && get(attention),
    }),

  itemPosition: ({ rows }, { tf, segments }) => tf.sub(segments(rows).remaining(), 1),
};

/** Repeats rows of the batch for their items. */
export function expanded(x: Tensor, rows: Domain, { tf, segments }: Execution): Tensor {
  const of = segments(rows);
  return withGradients(tf, [x], () => ({ value: of.expand(x), gradients: (dy) => [of.sum(dy)] }));
}

/** Computes Σ weight · x over the items of each row. */
function weightedSum(tf: TensorFlow, x_NI: Tensor, weights_N1: Tensor, of: Segments): Tensor {
  return withGradients(tf, [x_NI, weights_N1], () => ({
    value: of.sum(tf.mul(weights_N1, x_NI)),
    saved: [x_NI, weights_N1],
    gradients: (dy_BI, [items_NI, factors_N1]) => {
      const dy_NI = of.expand(dy_BI);
      return [tf.mul(factors_N1!, dy_NI), tf.sum(tf.mul(items_NI!, dy_NI), 1, true)];
    },
  }));
}

/** Computes the maximum over the items of each row; its gradient goes to the first item that has it, by column. */
function pooledMax(tf: TensorFlow, x_NI: Tensor, of: Segments): Tensor {
  return withGradients(tf, [x_NI], () => {
    const y_BI = of.max(x_NI);
    return {
      value: y_BI,
      saved: [x_NI, y_BI],
      gradients: (dy_BI, [saved_NI, most_BI]) => {
        const isMax_NI = tf.cast(tf.equal(saved_NI!, of.expand(most_BI!)), 'float32');
        // The first of them has the most items after it.
        const left_NI = tf.mul(isMax_NI, of.remaining());
        const isFirst_NI = tf.cast(tf.equal(left_NI, of.expand(of.max(left_NI))), 'float32');
        return [tf.mul(of.expand(dy_BI), tf.mul(isMax_NI, isFirst_NI))];
      },
    };
  });
}
