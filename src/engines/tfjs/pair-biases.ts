import type { Tensor } from '@tensorflow/tfjs';
import { countDistances } from '../../graph/attention.js';
import type { ValueOf } from '../../graph/operations.js';
import type { TensorFlow } from './backend.js';
import type { Block, Segments } from './segments.js';

// Shapes as in attention.ts; P elements of a bias, T octaves.

/** Numbers that are added to the scores of pairs of items, for all heads. */
export type PairBiases = Pick<ValueOf<'segmentAttention'>, 'isCausal' | 'distances' | 'octaves'>;

/** Computes the biases of pairs of items, `[R or 1, 1, L, L]`, from those by distance and octave, `[1, P]`. */
export function biasesOfPairs(
  tf: TensorFlow,
  of: Segments,
  bias_1P: Tensor,
  ages_N1: Tensor | undefined,
  block: Block,
  { isCausal, distances, octaves }: PairBiases,
): Tensor {
  const byDistance = countDistances({ isCausal, distances });
  const bias_P = tf.reshape(bias_1P, [-1]);
  const { length } = block;
  const parts: Tensor[] = [];
  if (distances > 0) {
    const indices = tf.tensor4d(distanceIndices(length, isCausal, distances), [1, 1, length, length], 'int32');
    parts.push(tf.gather(bias_P, indices));
  }
  if (ages_N1 !== undefined) {
    const octave_RLL = octavesOfPairs(tf, of, ages_N1, block, octaves);
    parts.push(tf.expandDims(tf.gather(bias_P, tf.add(octave_RLL, tf.scalar(byDistance, 'int32'))), 1));
  }
  return parts.length === 1 ? parts[0]! : tf.add(parts[0]!, parts[1]!);
}

/**
 * Computes the gradients of biases, `[1, P]`, from the gradients of scores, which are 0 for pairs that do not count.
 */
export function biasGradients(
  tf: TensorFlow,
  of: Segments,
  ds_RHLL: Tensor,
  ages_N1: Tensor | undefined,
  block: Block,
  { isCausal, distances, octaves }: PairBiases,
): Tensor {
  const parts: Tensor[] = [];
  if (distances > 0) {
    const byDifference_1D = sumDiagonals(tf, tf.sum(ds_RHLL, [0, 1]), block.length);
    const last = block.length - 1;
    // From the first item to the last, and so on: a query minus a key.
    const indices = Int32Array.from({ length: 2 * last + 1 }, (_, n) => distanceIndex(n - last, isCausal, distances));
    const count = countDistances({ isCausal, distances });
    parts.push(tf.matMul(byDifference_1D, tf.oneHot(tf.tensor1d(indices, 'int32'), count)));
  }
  if (ages_N1 !== undefined) {
    const ds_RLL = tf.sum(ds_RHLL, 1);
    const octave_RLL = octavesOfPairs(tf, of, ages_N1, block, octaves);
    const sumOctave = (octave: number): Tensor =>
      tf.sum(tf.mul(ds_RLL, tf.cast(tf.equal(octave_RLL, tf.scalar(octave, 'int32')), 'float32')));
    parts.push(tf.reshape(tf.stack(Array.from({ length: octaves }, (_, octave) => sumOctave(octave))), [1, -1]));
  }
  return tf.concat(parts, 1);
}

/** Index of the bias of a distance from a query back to a key; later keys of a causal attention count as the query. */
function distanceIndex(distance: number, isCausal: boolean, distances: number): number {
  const most = distances - 1;
  const near = Math.min(Math.max(distance, -most), most);
  return isCausal ? Math.max(near, 0) : near + most;
}

function distanceIndices(length: number, isCausal: boolean, distances: number): Int32Array {
  return Int32Array.from({ length: length ** 2 }, (_, i) =>
    distanceIndex(Math.floor(i / length) - (i % length), isCausal, distances),
  );
}

/** Sums a matrix by row minus column, `[1, 2 L - 1]`: each row of the reversed columns is moved by one more place. */
function sumDiagonals(tf: TensorFlow, x_LL: Tensor, length: number): Tensor {
  const reversed_LL = tf.reverse(x_LL, 1);
  const padded = tf.reshape(
    tf.pad(reversed_LL, [
      [0, 0],
      [0, length],
    ]),
    [-1],
  );
  const skewed = tf.reshape(tf.slice(padded, 0, length * (2 * length - 1)), [length, 2 * length - 1]);
  return tf.sum(skewed, 0, true);
}

/** Computes the octave of 1 + the difference of ages of each pair, `[R, L, L]`, int32. */
function octavesOfPairs(tf: TensorFlow, of: Segments, ages_N1: Tensor, block: Block, octaves: number): Tensor {
  const ages_RL1 = tf.reshape(of.pad(ages_N1, block), [block.rows, block.length, 1]);
  const next_RLL = tf.add(tf.abs(tf.sub(ages_RL1, tf.transpose(ages_RL1, [0, 2, 1]))), 1);
  // A logarithm near an integer may be rounded to either side of it: powers of two decide.
  const powers = tf.tensor1d(Float32Array.from({ length: octaves + 1 }, (_, n) => (n < octaves ? 2 ** n : Infinity)));
  const log_RLL = tf.mul(tf.log(next_RLL), 1 / Math.LN2);
  const near_RLL = tf.cast(tf.clipByValue(tf.floor(log_RLL), 0, octaves - 1), 'int32');
  const isBelow = tf.cast(tf.less(next_RLL, tf.gather(powers, near_RLL)), 'int32');
  const isAbove = tf.cast(
    tf.greaterEqual(next_RLL, tf.gather(powers, tf.add(near_RLL, tf.scalar(1, 'int32')))),
    'int32',
  );
  return tf.sub(tf.add(near_RLL, isAbove), isBelow);
}
