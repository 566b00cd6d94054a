import type { Tensor } from '@tensorflow/tfjs';
import type { LossName, LossValue, Value, ValueOf } from '../../graph/operations.js';
import type { Execution } from './execution.js';
import { withGradients } from './gradients.js';

// Gradients are explicit: autodiff of the stable forms is wrong at 0, where abs and relu have no derivative, and a
// computed label, mask or weight has none.

/** A loss, `[1, 1]`, and the number of rows that it counts: known, or computed, `[1, 1]`. */
export interface LossTensors {
  readonly mean: Tensor;
  readonly rows: number | Tensor;
}

/** A loss by row: the operand, its value in every row, `[B, 1]`, and its derivative; default: 1. */
interface RowLoss<Name extends LossName> {
  readonly of: (value: ValueOf<Name>) => Value;
  readonly loss: (value: ValueOf<Name>, run: Execution) => Tensor;
  readonly derivative?: (value: ValueOf<Name>, run: Execution) => Tensor;
}

type LossTable = { readonly [Name in LossName]: RowLoss<Name> };

const ROW_LOSSES: LossTable = {
  // -[y log σ(z) + (1 - y) log(1 - σ(z))] = softplus(z) - y z
  binaryCrossEntropy: {
    of: ({ logit }) => logit,
    loss: ({ logit, label }, { tf, get }) => tf.sub(tf.softplus(get(logit)), tf.mul(get(label), get(logit))),
    derivative: ({ logit, label }, { tf, get }) => tf.sub(tf.sigmoid(get(logit)), get(label)),
  },

  mean: { of: ({ x }) => x, loss: ({ x }, { get }) => get(x) },

  squaredError: {
    of: ({ prediction }) => prediction,
    loss: ({ prediction, label }, { tf, get }) => tf.square(tf.sub(get(prediction), get(label))),
    derivative: ({ prediction, label }, { tf, get, constant }) =>
      tf.mul(constant(2), tf.sub(get(prediction), get(label))),
  },
};

/** Computes the mean of a loss over the rows of its mask, 0 if there are none, and their number. */
export function computeLoss(value: LossValue, run: Execution): LossTensors {
  const { tf, get, isTraining, constant } = run;
  // The table's entry for `value.op` takes that operation's value.
  const rowLoss = ROW_LOSSES[value.op] as RowLoss<LossName>;
  const of = get(rowLoss.of(value));
  const batchRows = of.shape[0];
  const factors = [value.weights, value.mask].flatMap((each) => (each === undefined ? [] : [get(each)]));
  const weighed = (column: Tensor): Tensor => factors.reduce((product, factor) => tf.mul(product, factor), column);
  const counted = value.mask && tf.sum(get(value.mask), 0, true);

  const mean = withGradients(tf, [of], () => {
    const rows = counted === undefined ? constant(batchRows) : tf.maximum(counted, constant(1));
    // Derivative of the sum over rows; evaluation requires none.
    const slope = isTraining ? weighed(rowLoss.derivative?.(value, run) ?? tf.onesLike(of)) : of;
    return {
      value: tf.div(tf.sum(weighed(rowLoss.loss(value, run)), 0, true), rows),
      saved: [slope, rows],
      gradients: (dy, [saved, divisor]) => [tf.mul(saved!, tf.div(dy, divisor!))],
    };
  });
  return { mean, rows: counted ?? batchRows };
}
