import type { Tensor } from '@tensorflow/tfjs';
import type { TensorFlow } from './backend.js';

/** A result with its gradient function. */
export interface Differentiable {
  readonly value: Tensor;
  /** All tensors that the gradient function reads; others, including inputs, may be disposed before it runs. */
  readonly saved?: readonly Tensor[];
  /** Computes the gradients of the inputs from the gradient of the result and the saved tensors. */
  readonly gradients: (dy: Tensor, saved: readonly Tensor[]) => Tensor[];
}

/**
 * Computes a function with explicit gradients. The gradients of TensorFlow.js take several times as many operations,
 * and its gradients of sums and means create constants on the host and upload them.
 */
export function withGradients(tf: TensorFlow, inputs: readonly Tensor[], compute: () => Differentiable): Tensor {
  const differentiable = tf.customGrad((...args) => {
    // TensorFlow.js passes the inputs, then a function that keeps tensors alive until the gradient is computed.
    const save = args[inputs.length] as unknown as (tensors: readonly Tensor[]) => void;
    const { value, saved = [], gradients } = compute();
    save(saved);
    return { value, gradFunc: (dy, kept) => gradients(dy, kept) };
  });
  return differentiable(...inputs);
}

/** Returns the tensor without a gradient. */
export function stopped(tf: TensorFlow, tensor: Tensor): Tensor {
  return withGradients(tf, [tensor], () => ({ value: tf.clone(tensor), gradients: (dy) => [tf.zerosLike(dy)] }));
}

/** Computes the sum of each row, `[B, 1]`. */
export function rowSum(tf: TensorFlow, x_BI: Tensor): Tensor {
  const width = x_BI.shape[1]!;
  return withGradients(tf, [x_BI], () => ({
    value: tf.sum(x_BI, 1, true),
    gradients: (dy) => [tf.tile(dy, [1, width])],
  }));
}

/** Computes the sum of each column, repeated in every row, `[B, I]`. */
export function columnSums(tf: TensorFlow, x_BI: Tensor): Tensor {
  const rows = x_BI.shape[0];
  const inEveryRow = (each: Tensor): Tensor => tf.tile(tf.sum(each, 0, true), [rows, 1]);
  return withGradients(tf, [x_BI], () => ({ value: inEveryRow(x_BI), gradients: (dy) => [inEveryRow(dy)] }));
}

/** Options of a normalization to mean 0 and variance 1. */
export interface Standardized {
  /** Over the rows of a batch (0) or the columns of a row (1). */
  readonly axis: 0 | 1;
  /** Scalar that is added to the variance before its square root. */
  readonly epsilon: Tensor;
  /** Receives mean and biased variance, with size 1 along the axis. */
  readonly observe?: (mean: Tensor, variance: Tensor) => void;
}

/**
 * Computes (x - mean) / √(variance + ε); its gradient is (dy - mean(dy) - y mean(dy y)) / √(variance + ε) (Ioffe &
 * Szegedy 2015, section 3).
 */
export function standardized(tf: TensorFlow, x: Tensor, { axis, epsilon, observe }: Standardized): Tensor {
  const mean = (each: Tensor): Tensor => tf.mean(each, axis, true);
  return withGradients(tf, [x], () => {
    const mu = mean(x);
    const centered = tf.sub(x, mu);
    const variance = mean(tf.square(centered));
    observe?.(mu, variance);
    const inverse = tf.rsqrt(tf.add(variance, epsilon));
    const y = tf.mul(centered, inverse);
    return {
      value: y,
      saved: [y, inverse],
      gradients: (dy, [normal, scale]) => [
        tf.mul(tf.sub(tf.sub(dy, mean(dy)), tf.mul(normal!, mean(tf.mul(dy, normal!)))), scale!),
      ],
    };
  });
}

/** Computes gain · x + shift, with a gain and a shift per column. */
export function scaled(tf: TensorFlow, x: Tensor, gain: Tensor, shift: Tensor): Tensor {
  return withGradients(tf, [x, gain, shift], () => ({
    value: tf.add(tf.mul(x, gain), shift),
    saved: [x, gain],
    gradients: (dy, [input, factor]) => [tf.mul(dy, factor!), tf.sum(tf.mul(dy, input!), 0, true), tf.sum(dy, 0, true)],
  }));
}

/** Computes x · row, with an element for each column or one for all. */
export function timesRow(tf: TensorFlow, x: Tensor, row: Tensor): Tensor {
  // The gradient of TensorFlow.js fails if x has no rows.
  const axes = row.shape[1] === x.shape[1] ? [0] : [0, 1];
  return withGradients(tf, [x, row], () => ({
    value: tf.mul(x, row),
    saved: [x, row],
    gradients: (dy, [input, factor]) => [tf.mul(dy, factor!), tf.sum(tf.mul(dy, input!), axes, true)],
  }));
}
