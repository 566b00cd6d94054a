import type { Tensor } from '@tensorflow/tfjs';
import type { TensorFlow } from './backend.js';
import { withGradients } from './gradients.js';
import type { Block, Segments } from './segments.js';

// Shapes: R rows of a block, L their padded number of items, H heads, D columns of a head, I columns of all heads.

/** Maximum number of pairs of items, over all heads, for which scores are in memory at once. */
const MAX_PAIRS = 2 ** 22;
/** Added to the score of a key that does not count; its power is 0. */
const FAR_BELOW = -1e30;

/** Settings of an attention over the items of each row. */
export interface Attention {
  readonly heads: number;
  /** Whether an item sees no later ones. */
  readonly isCausal: boolean;
}

/**
 * Computes softmax(q kᵀ / √D) v over the items of each row, block of rows by block; the gradient computes the softmax
 * again, so that memory grows with items, not with pairs of them.
 */
export function attention(
  tf: TensorFlow,
  of: Segments,
  inputs: readonly [query: Tensor, key: Tensor, value: Tensor],
  { heads, isCausal }: Attention,
): Tensor {
  const blocks = of.blocks(Math.floor(MAX_PAIRS / heads));
  const scale = 1 / Math.sqrt(inputs[0].shape[1]! / heads);
  const split = (x_NI: Tensor, block: Block): Tensor =>
    tf.transpose(tf.reshape(of.pad(x_NI, block), [block.rows, block.length, heads, -1]), [0, 2, 1, 3]);
  const shares = (q_RHLD: Tensor, k_RHLD: Tensor, block: Block): Tensor => {
    const scores_RHLL = tf.add(tf.mul(tf.matMul(q_RHLD, k_RHLD, false, true), scale), of.padding(block, FAR_BELOW));
    return tf.softmax(isCausal ? tf.add(scores_RHLL, laterItems(tf, block.length)) : scores_RHLL);
  };
  /** Computes matrices of all items, block by block. */
  const byBlock = (xs_NI: readonly Tensor[], compute: (xs: readonly Tensor[], block: Block) => Tensor[]): Tensor[] => {
    if (blocks.length === 0) return inputs.map((x_NI) => tf.zerosLike(x_NI));
    const parts = blocks.map((block) =>
      tf.tidy(() => {
        const results = compute(
          xs_NI.map((x_NI) => split(x_NI, block)),
          block,
        );
        return results.map((y) => tf.reshape(tf.transpose(y, [0, 2, 1, 3]), [block.rows * block.length, -1]));
      }),
    );
    return parts[0]!.map((_, i) =>
      of.unpad(
        parts.map((part) => part[i]!),
        blocks,
      ),
    );
  };

  return withGradients(tf, inputs, () => ({
    value: byBlock(inputs, ([q, k, v], block) => [tf.matMul(shares(q!, k!, block), v!)])[0]!,
    saved: inputs,
    gradients: (dy_NI, saved) =>
      byBlock([...saved, dy_NI], ([q, k, v, dy], block) => {
        const p_RHLL = shares(q!, k!, block);
        const dp_RHLL = tf.matMul(dy!, v!, false, true);
        const dot_RHL1 = tf.sum(tf.mul(p_RHLL, dp_RHLL), 3, true);
        const ds_RHLL = tf.mul(tf.mul(p_RHLL, tf.sub(dp_RHLL, dot_RHL1)), scale);
        return [tf.matMul(ds_RHLL, k!), tf.matMul(ds_RHLL, q!, true), tf.matMul(p_RHLL, dy!, true)];
      }),
  }));
}

/** Returns `FAR_BELOW` for the items after each, otherwise 0, `[1, 1, length, length]`. */
function laterItems(tf: TensorFlow, length: number): Tensor {
  const later = Float32Array.from({ length: length ** 2 }, (_, i) =>
    i % length > Math.floor(i / length) ? FAR_BELOW : 0,
  );
  return tf.tensor4d(later, [1, 1, length, length]);
}
