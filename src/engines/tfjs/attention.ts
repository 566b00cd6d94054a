import type { Tensor } from '@tensorflow/tfjs';
import type { TensorFlow } from './backend.js';
import { withGradients } from './gradients.js';
import { biasesOfPairs, biasGradients, type PairBiases } from './pair-biases.js';
import type { Block, Segments } from './segments.js';

// Shapes: R rows of a block, L their padded number of items, H heads, D columns of a head, I columns of all heads.

/** Maximum number of pairs of items, over all heads, for which scores are in memory at once. */
const MAX_PAIRS = 2 ** 22;
/** Added to the score of a key that does not count; its power is 0. */
const FAR_BELOW = -1e30;

/** Settings of an attention over the items of each row. */
export interface Attention extends PairBiases {
  readonly heads: number;
  readonly isPointwise: boolean;
}

/** Operands of an attention; a bias by distance and octave, and ages, if it has any. */
export interface AttentionInputs {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  readonly bias: Tensor | undefined;
  readonly ages: Tensor | undefined;
}

/** Weights of keys, `[R, H, L, L]`, and the gradient of scores from the gradient of the weights. */
interface Weighing {
  readonly weights: Tensor;
  gradient(dp_RHLL: Tensor): Tensor;
}

/**
 * Computes weights times values over the items of each row, block of rows by block; the gradient computes the weights
 * again, so that memory grows with items, not with pairs of them.
 */
export function attention(tf: TensorFlow, of: Segments, inputs: AttentionInputs, settings: Attention): Tensor {
  const { query, key, value, bias, ages } = inputs;
  const { heads, isPointwise } = settings;
  const blocks = of.blocks(Math.floor(MAX_PAIRS / heads));
  const scale = isPointwise ? 1 : 1 / Math.sqrt(query.shape[1]! / heads);
  const operands = [query, key, value];
  const trained = bias === undefined ? operands : [...operands, bias];
  const split = (x_NI: Tensor, block: Block): Tensor =>
    tf.transpose(tf.reshape(of.pad(x_NI, block), [block.rows, block.length, heads, -1]), [0, 2, 1, 3]);
  /** Returns the items of all heads, `[R · L, I]`. */
  const join = (y_RHLD: Tensor, block: Block): Tensor =>
    tf.reshape(tf.transpose(y_RHLD, [0, 2, 1, 3]), [block.rows * block.length, -1]);
  const weigh = (
    q: Tensor,
    k: Tensor,
    bias_1P: Tensor | undefined,
    own: Tensor | undefined,
    block: Block,
  ): Weighing => {
    const products_RHLL = tf.mul(tf.matMul(q, k, false, true), scale);
    const biases = bias_1P && biasesOfPairs(tf, of, bias_1P, own, block, settings);
    const scores_RHLL = biases === undefined ? products_RHLL : tf.add(products_RHLL, biases);
    return (isPointwise ? pointwise : softmax)(tf, of, scores_RHLL, block, settings.isCausal);
  };

  return withGradients(tf, trained, () => ({
    value:
      blocks.length === 0
        ? tf.zerosLike(value)
        : of.unpad(
            byBlock(tf, blocks, (block) => {
              const [q, k, v] = operands.map((x_NI) => split(x_NI, block));
              return [join(tf.matMul(weigh(q!, k!, bias, ages, block).weights, v!), block)];
            })[0]!,
            blocks,
          ),
    saved: ages === undefined ? trained : [...trained, ages],
    gradients: (dy_NI, saved) => {
      if (blocks.length === 0) return trained.map((x) => tf.zerosLike(x));
      const [bias_1P, ages_N1] = saved.slice(3);
      const results = byBlock(tf, blocks, (block) => {
        const [q, k, v, dy] = [...saved.slice(0, 3), dy_NI].map((x_NI) => split(x_NI, block));
        const { weights, gradient } = weigh(q!, k!, bias_1P, ages_N1, block);
        const ds_RHLL = gradient(tf.matMul(dy!, v!, false, true));
        const scaled_RHLL = tf.mul(ds_RHLL, scale);
        const items = [tf.matMul(scaled_RHLL, k!), tf.matMul(scaled_RHLL, q!, true), tf.matMul(weights, dy!, true)].map(
          (each) => join(each, block),
        );
        return bias_1P === undefined ? items : [...items, biasGradients(tf, of, ds_RHLL, ages_N1, block, settings)];
      });
      return [
        ...results.slice(0, 3).map((parts) => of.unpad(parts, blocks)),
        ...results.slice(3).map((parts) => tf.addN([...parts])),
      ];
    },
  }));
}

/** Computes tensors block by block, and returns them by result, then by block. */
function byBlock(
  tf: TensorFlow,
  blocks: readonly Block[],
  compute: (block: Block) => readonly Tensor[],
): readonly (readonly Tensor[])[] {
  const parts = blocks.map((block) => tf.tidy(() => [...compute(block)]));
  return parts[0]!.map((_, i) => parts.map((part) => part[i]!));
}

/** Weighs keys by the softmax of their scores. */
function softmax(tf: TensorFlow, of: Segments, scores_RHLL: Tensor, block: Block, isCausal: boolean): Weighing {
  const padded_RHLL = tf.add(scores_RHLL, of.padding(block, FAR_BELOW));
  const weights = tf.softmax(isCausal ? tf.add(padded_RHLL, laterItems(tf, block.length, 0, FAR_BELOW)) : padded_RHLL);
  return {
    weights,
    gradient(dp_RHLL) {
      const dot_RHL1 = tf.sum(tf.mul(weights, dp_RHLL), 3, true);
      return tf.mul(weights, tf.sub(dp_RHLL, dot_RHL1));
    },
  };
}

/** Weighs keys by SiLU(score) / n, for the n keys that count. */
function pointwise(tf: TensorFlow, of: Segments, scores_RHLL: Tensor, block: Block, isCausal: boolean): Weighing {
  const isItem = tf.add(of.padding(block, -1), 1);
  const counts = isCausal ? tf.mul(isItem, laterItems(tf, block.length, 1, 0)) : isItem;
  // The first key counts for each item, but not for the padding of rows after it.
  const share = tf.div(counts, tf.maximum(tf.sum(counts, 3, true), 1));
  const gate_RHLL = tf.sigmoid(scores_RHLL);
  return {
    weights: tf.mul(tf.mul(scores_RHLL, gate_RHLL), share),
    gradient(dp_RHLL) {
      const slope_RHLL = tf.mul(gate_RHLL, tf.add(tf.mul(scores_RHLL, tf.sub(1, gate_RHLL)), 1));
      return tf.mul(tf.mul(dp_RHLL, slope_RHLL), share);
    },
  };
}

/** Returns `later` for the items after each, otherwise `own`, `[1, 1, length, length]`. */
function laterItems(tf: TensorFlow, length: number, own: number, later: number): Tensor {
  const elements = Float32Array.from({ length: length ** 2 }, (_, i) =>
    i % length > Math.floor(i / length) ? later : own,
  );
  return tf.tensor4d(elements, [1, 1, length, length]);
}
