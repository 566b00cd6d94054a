import type { Tensor } from '@tensorflow/tfjs';
import type { LossName, LossValue, ValueOf } from '../../graph/operations.js';
import type { TensorFlow } from './backend.js';
import { stopped, type Execution } from './operations.js';

// Gradients are written out: autodiff of the stable forms is wrong at 0, where abs and relu have no derivative, and a computed
// label, mask or weight has none.

/** A loss and the number of rows it counts, both scalars. */
export interface LossTensors {
  readonly mean: Tensor;
  readonly rows: Tensor;
}

type LossTable = { readonly [Name in LossName]: (value: ValueOf<Name>, run: Execution) => Tensor };

/** The loss of every row, `[B, 1]`, differentiable in the logits or the prediction. */
const ROW_LOSSES: LossTable = {
  binaryCrossEntropy: (value, { tf, get }) => {
    const label = get(value.label);
    return withGradients(tf, [get(value.logit)], ([z]) => ({
      // -[y log σ(z) + (1 - y) log(1 - σ(z))] = softplus(z) - y z
      loss: tf.sub(tf.softplus(z!), tf.mul(label, z!)),
      gradients: [tf.sub(tf.sigmoid(z!), label)],
    }));
  },

  mean: ({ x }, { get }) => get(x),

  squaredError: (value, { tf, get }) => {
    const label = get(value.label);
    return withGradients(tf, [get(value.prediction)], ([prediction]) => {
      const distance = tf.sub(prediction!, label);
      return { loss: tf.square(distance), gradients: [tf.mul(2, distance)] };
    });
  },
};

/** The mean of a loss over the rows that its mask admits (0 where there are none), and their number. */
export function lossOf(value: LossValue, run: Execution): LossTensors {
  const { tf, get } = run;
  // The table's entry for `value.op` takes that operation's value.
  const rowLoss = ROW_LOSSES[value.op] as (value: LossValue, run: Execution) => Tensor;
  let loss = rowLoss(value, run);
  if (value.weights !== undefined) loss = tf.mul(loss, stopped(tf, get(value.weights)));
  const mask = value.mask === undefined ? tf.onesLike(loss) : stopped(tf, get(value.mask));
  const rows = tf.sum(mask);
  return { mean: tf.div(tf.sum(tf.mul(loss, mask)), tf.maximum(rows, 1)), rows };
}

/** A function of columns whose gradient in each is computed along with it. */
function withGradients(
  tf: TensorFlow,
  inputs: readonly Tensor[],
  compute: (inputs: readonly Tensor[]) => { readonly loss: Tensor; readonly gradients: readonly Tensor[] },
): Tensor {
  const differentiable = tf.customGrad((...args) => {
    // tfjs passes the inputs, then a function that keeps tensors alive until the gradient is asked for.
    const save = args[inputs.length] as unknown as (tensors: readonly Tensor[]) => void;
    const { loss, gradients } = compute(args.slice(0, inputs.length) as Tensor[]);
    save(gradients);
    return {
      value: loss,
      gradFunc: (dy, saved) => saved.map((gradient) => tf.mul(dy, gradient)),
    };
  });
  return differentiable(...inputs);
}
