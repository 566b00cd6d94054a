import type { Tensor } from '@tensorflow/tfjs';
import { computeSlope, type Arithmetic, type ScalarFunction } from '../../graph/scalar-functions.js';
import type { Execution } from './execution.js';
import { withGradients } from './gradients.js';

/** Computes a scalar function of each element, with the derivative of the table. */
export function applyFunction(each: ScalarFunction, x: Tensor, run: Execution): Tensor {
  const of = arithmetic(run);
  return withGradients(run.tf, [x], () => {
    const y = each.value(of, x);
    // The other tensor may be disposed.
    const saved = 'x' in each.slope ? x : y;
    return {
      value: y,
      saved: [saved],
      gradients: (dy, [kept]) => [run.tf.mul(dy, slopeOf(each, of, kept!, run))],
    };
  });
}

/** The derivative from the kept tensor. A result whose slope is 0 where it is not positive is 0 there, as of relu. */
function slopeOf(each: ScalarFunction, of: Arithmetic<Tensor>, kept: Tensor, { tf }: Execution): Tensor {
  // One operation in place of three.
  if ('below' in each.slope && each.slope.below === 0) return tf.sign(kept);
  return computeSlope(each, of, kept, kept);
}

const arithmetic = ({ tf, constant }: Execution): Arithmetic<Tensor> => ({
  number: constant,
  add: (a, b) => tf.add(a, b),
  subtract: (a, b) => tf.sub(a, b),
  multiply: (a, b) => tf.mul(a, b),
  multiplyAdd: (a, b, c) => tf.add(tf.mul(a, b), c),
  reciprocal: (x) => tf.reciprocal(x),
  step: (x, below) => tf.step(x, below),
  positive: (x) => tf.relu(x),
  exp: (x) => tf.exp(x),
  expm1: (x) => tf.expm1(x),
  log: (x) => tf.log(x),
  log1p: (x) => tf.log1p(x),
  softplus: (x) => tf.softplus(x),
  sign: (x) => tf.sign(x),
  sin2Pi: (x) => tf.sin(partOfTurn(tf, x, constant)),
  cos2Pi: (x) => tf.cos(partOfTurn(tf, x, constant)),
  sigmoid: (x) => tf.sigmoid(x),
  tanh: (x) => tf.tanh(x),
  distribution: (x) => tf.mul(tf.add(tf.erf(tf.mul(x, constant(Math.SQRT1_2))), constant(1)), constant(0.5)),
  density: (x) => tf.mul(tf.exp(tf.mul(tf.square(x), constant(-0.5))), constant(1 / Math.sqrt(2 * Math.PI))),
});

/** 2πx without whole turns, which is exact before the product. */
function partOfTurn(tf: Execution['tf'], x: Tensor, constant: Execution['constant']): Tensor {
  return tf.mul(tf.sub(x, tf.round(x)), constant(2 * Math.PI));
}
