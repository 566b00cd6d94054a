import type { Tensor } from '@tensorflow/tfjs';
import {
  isParametric,
  type LossName,
  type LossValue,
  type OperationName,
  type Operations,
  type Parameter,
  type ParametricActivation,
  type RunningStatistics,
  type Value,
  type ValueOf,
} from '../../graph/operations.js';
import { SCALAR_ACTIVATIONS, SCALAR_FUNCTIONS } from '../../graph/scalar-functions.js';
import type { TensorFlow } from './backend.js';
import { combinedLinear } from './combined-linear.js';
import type { Execution } from './execution.js';
import { columnSums, rowSum, scaled, standardized, stopped, timesRow, withGradients } from './gradients.js';
import { ITEM_OPERATION } from './item-operations.js';
import { applyFunction } from './scalar-functions.js';
import { SEARCH_OPERATION } from './search-operations.js';

/** Every operation but the losses, which are in `losses.ts`, and matrices for each row, which nothing adds here. */
type OperationTable = {
  readonly [Name in Exclude<OperationName, LossName | 'scaledLinear'>]: (
    value: ValueOf<Name>,
    run: Execution,
  ) => Tensor;
};

const ACTIVATION: {
  readonly [Kind in ParametricActivation]: (x: Tensor, attributes: Operations['activation'], run: Execution) => Tensor;
} = {
  // max(0, x) + slope min(0, x)
  prelu: (x, { slope }, { tf, parameter }) => tf.sub(tf.relu(x), timesRow(tf, tf.relu(tf.neg(x)), parameter(slope!))),
  // p x + (1 - p) slope x with p = σ(normalized x)
  dice: (x, { slope, running }, run) => {
    const { tf } = run;
    const p = tf.sigmoid(normalized(x, running!, run));
    return tf.mul(x, tf.add(p, timesRow(tf, tf.sub(1, p), run.parameter(slope!))));
  },
};

const OPERATION: OperationTable = {
  ...ITEM_OPERATION,
  ...SEARCH_OPERATION,
  input({ source }, { label }) {
    if (source.kind !== 'label') throw new Error(`an input of ${source.kind} was not looked up`);
    return label(source.column);
  },
  linear: ({ x, weight, bias }, { tf, get, parameter, isTrained }) => {
    const [x_BI, w_IO] = [get(x), parameter(weight)];
    const inputs = [x_BI, w_IO, ...(bias !== undefined && isTrained(bias) ? [parameter(bias)] : [])];
    return withGradients(tf, inputs, () => {
      const product_BO = tf.matMul(x_BI, w_IO);
      return {
        value: bias === undefined ? product_BO : tf.add(product_BO, parameter(bias)),
        saved: [x_BI, w_IO],
        gradients: (dy_BO, [saved_BI, saved_IO]) => [
          tf.matMul(dy_BO, saved_IO!, false, true),
          tf.matMul(saved_BI!, dy_BO, true),
          ...(inputs.length > 2 ? [tf.sum(dy_BO, 0, true)] : []),
        ],
      };
    });
  },
  combinedLinear,
  batchNorm: ({ x, gain, shift, running }, run) =>
    scaled(run.tf, normalized(run.get(x), running, run), run.parameter(gain), run.parameter(shift)),
  layerNorm: ({ x, gain, shift, epsilon }, { tf, get, parameter, constant }) =>
    scaled(tf, standardized(tf, get(x), { axis: 1, epsilon: constant(epsilon) }), parameter(gain), parameter(shift)),
  activation: (value, run) =>
    isParametric(value.kind)
      ? ACTIVATION[value.kind](run.get(value.x), value, run)
      : applyFunction(SCALAR_ACTIVATIONS[value.kind], run.get(value.x), run),
  dropout: ({ x, rate, name, width }, { tf, get, isTraining, dropoutMask }) =>
    isTraining ? tf.mul(get(x), dropoutMask(name, rate, get(x).shape[0], width)) : get(x),
  softmax: ({ x }, { tf, get }) => tf.softmax(get(x)),
  concat: ({ xs }, { tf, get }) => (xs.length === 1 ? get(xs[0]!) : tf.concat(xs.map(get), 1)),
  slice: ({ x, begin, width }, { tf, get }) => tf.slice(get(x), [0, begin], [-1, width]),
  split: ({ x, width, isInterleaved }, { tf, get }) => {
    const count = x.width / width;
    if (!isInterleaved) return tf.reshape(get(x), [-1, width]);
    return tf.reshape(tf.transpose(tf.reshape(get(x), [-1, width, count]), [0, 2, 1]), [-1, width]);
  },
  join: ({ x, width, isInterleaved }, { tf, get }) => {
    if (!isInterleaved) return tf.reshape(get(x), [-1, width]);
    const count = width / x.width;
    return tf.reshape(tf.transpose(tf.reshape(get(x), [-1, count, x.width]), [0, 2, 1]), [-1, width]);
  },
  multiply: ({ a, b }, { tf, get }) => tf.mul(get(a), get(b)),
  add: ({ a, b }, { tf, get }) => tf.add(get(a), get(b)),
  affine: ({ x, factor, offset }, { tf, get }) => tf.add(tf.mul(get(x), factor), offset),
  map: ({ x, of }, run) => applyFunction(SCALAR_FUNCTIONS[of], run.get(x), run),
  // σ(a) σ(b) = e^l has the logit l - log(1 - e^l).
  productLogit: ({ a, b }, { tf, get }) =>
    withGradients(tf, [get(a), get(b)], () => {
      const [minusA, minusB] = [tf.neg(get(a)), tf.neg(get(b))];
      const minusLog = tf.add(tf.softplus(minusA), tf.softplus(minusB));
      const rest = tf.neg(tf.expm1(tf.neg(minusLog)));
      return {
        value: tf.neg(tf.add(minusLog, tf.log(rest))),
        saved: [minusA, minusB, rest],
        // d/da = σ(-a) / (1 - σ(a) σ(b))
        gradients: (dy, [negativeA, negativeB, one]) => {
          const share = tf.div(dy, one!);
          return [tf.mul(share, tf.sigmoid(negativeA!)), tf.mul(share, tf.sigmoid(negativeB!))];
        },
      };
    }),
  crossEntropy: ({ logit, label }, { tf, get }) =>
    tf.sub(tf.softplus(get(logit)), tf.mul(stopped(tf, get(label)), get(logit))),
  reciprocal: ({ x }, { tf, get }) => tf.reciprocal(get(x)),
  clip: ({ x, low, high }, { tf, get }) => tf.clipByValue(get(x), low, high),
  batchSum: ({ x }, { tf, get }) => columnSums(tf, get(x)),
  groupLogSumExp: ({ x, groups }, { tf, get }) => {
    const same_BB = tf.cast(sameGroup(tf, get(groups)), 'bool');
    return tf.logSumExp(
      tf.where(same_BB, tf.tile(tf.transpose(get(x)), [get(x).shape[0], 1]), tf.fill(same_BB.shape, FAR_BELOW)),
      1,
      true,
    );
  },
  groupPairs: ({ x, label, groups }, { tf, get }) => {
    const [x_B1, y_B1] = [get(x), stopped(tf, get(label))];
    const pairs_BB = tf.mul(sameGroup(tf, get(groups)), tf.matMul(y_B1, tf.sub(1, y_B1), false, true));
    const losses_BB = tf.softplus(tf.sub(tf.transpose(x_B1), x_B1));
    return tf.div(rowSum(tf, tf.mul(losses_BB, pairs_BB)), tf.maximum(tf.sum(pairs_BB, 1, true), 1));
  },
  stopGradient: ({ x }, { tf, get }) => stopped(tf, get(x)),
  mixture: ({ gate, experts }, { tf, get }) => {
    const [gate_BE, experts_BH] = [get(gate), experts.map(get)];
    return withGradients(tf, [gate_BE, ...experts_BH], () => {
      const shares_B1 = tf.split(gate_BE, experts.length, 1);
      return {
        value: tf.addN(experts_BH.map((expert_BH, e) => tf.mul(expert_BH, shares_B1[e]!))),
        saved: [...experts_BH, ...shares_B1],
        gradients: (dy_BH, saved) => [
          tf.concat(
            saved.slice(0, experts.length).map((expert_BH) => tf.sum(tf.mul(dy_BH, expert_BH), 1, true)),
            1,
          ),
          ...saved.slice(experts.length).map((share_B1) => tf.mul(dy_BH, share_B1)),
        ],
      };
    });
  },
  attend: ({ tokens, query, key, value, width }, { tf, get, parameter }) => {
    const project = (token: Value, role: Parameter): Tensor => tf.matMul(get(token), parameter(role));
    const scores_B1 = tokens.map((token) => rowSum(tf, tf.mul(project(token, query), project(token, key))));
    const shares_B2 = tf.softmax(tf.mul(tf.concat(scores_B1, 1), 1 / Math.sqrt(width)));
    const [first_B1, second_B1] = tf.split(shares_B2, 2, 1);
    return tf.add(tf.mul(project(tokens[0], value), first_B1!), tf.mul(project(tokens[1], value), second_B1!));
  },
};

/** Adds nothing to a sum of exponentials. */
const FAR_BELOW = -1e30;

/**
 * Computes which pairs of rows are in the same group, 1 or 0, `[B, B]`; a row without a group is only with itself. Uses
 * operations with a gradient, although none passes.
 */
function sameGroup(tf: TensorFlow, groups: Tensor): Tensor {
  const groups_B1 = stopped(tf, groups);
  const isSame_BB = tf.relu(tf.sub(1, tf.abs(tf.sub(groups_B1, tf.transpose(groups_B1)))));
  const isInGroup_B1 = tf.relu(tf.sign(tf.add(groups_B1, 0.5)));
  return tf.maximum(tf.eye(groups.shape[0]), tf.mul(isSame_BB, isInGroup_B1));
}

/** Runs one operation that is not a loss. */
export function execute(value: Exclude<Value, LossValue>, run: Execution): Tensor {
  // The table's entry for `value.op` takes that operation's value.
  const operation = OPERATION[value.op as keyof OperationTable] as (value: Value, run: Execution) => Tensor;
  return operation(value, run);
}

/** Computes (x - mean) / √(variance + ε): of the batch in training, of the running statistics in evaluation. */
function normalized(
  x: Tensor,
  running: RunningStatistics,
  { tf, isTraining, observe, parameter, constant }: Execution,
): Tensor {
  const epsilon = constant(running.epsilon);
  if (isTraining)
    return standardized(tf, x, {
      axis: 0,
      epsilon,
      observe: (mean, variance) => observe(running, mean, variance, x.shape[0]),
    });
  return tf.mul(tf.sub(x, parameter(running.mean)), tf.rsqrt(tf.add(parameter(running.variance), epsilon)));
}
