import type { Tensor } from '@tensorflow/tfjs';
import type { TensorFlow } from './backend.js';
import { withGradients } from './gradients.js';
import type { Block, Segments } from './segments.js';

// Shapes: R rows of a block, L their padded number of items, N items of the batch, H columns of the state, G = 3H.

/** Maximum of R · L² in a block, so that few rows are padded. */
const MAX_PAIRS = 2 ** 22;

/** Operands of a gated recurrent unit over the items of each row. */
export interface Gru {
  readonly x_NG: Tensor;
  readonly w_HG: Tensor;
  readonly b_1G: Tensor;
  /** Factor of the update of each item. */
  readonly a_N1: Tensor | undefined;
}

/** An item of each row of a block: its state before it, its gates, and the product that the reset gate scales. */
interface Step {
  readonly before_RH: Tensor;
  readonly reset_RH: Tensor;
  readonly update_RH: Tensor;
  readonly candidate_RH: Tensor;
  readonly product_RH: Tensor;
  readonly a_R1: Tensor;
  readonly y_RH: Tensor;
}

/**
 * Computes the states of each item, block of rows by block and item by item. Padding comes after the items of a row, so
 * that no state reads it. The gradient computes the gates again.
 */
export function gru(tf: TensorFlow, of: Segments, { x_NG, w_HG, b_1G, a_N1 }: Gru): Tensor {
  const blocks = of.blocks(MAX_PAIRS);
  const width = w_HG.shape[0];
  const inputs = [x_NG, w_HG, b_1G, ...(a_N1 === undefined ? [] : [a_N1])];
  /** Joins parts of all blocks, each a tensor per item of a row: `[N, columns]`. */
  const unpad = (parts: readonly (readonly Tensor[])[], columns: number): Tensor =>
    blocks.length === 0
      ? tf.zeros([x_NG.shape[0], columns])
      : of.unpad(
          parts.map((part) => tf.reshape(tf.stack([...part], 1), [-1, columns])),
          blocks,
        );
  const run = (saved: readonly Tensor[], block: Block): Step[] => runBlock(tf, of, block, saved);

  return withGradients(tf, inputs, () => ({
    value: unpad(
      blocks.map((block) => run(inputs, block).map(({ y_RH }) => y_RH)),
      width,
    ),
    saved: inputs,
    gradients: (dy_NH, saved) => {
      const weight_HG = saved[1]!;
      const parts = blocks.map((block) => backBlock(tf, run(saved, block), itemsOf(tf, of, block, dy_NH), weight_HG));
      const sum = (tensors: readonly Tensor[], shape: readonly number[]): Tensor =>
        tensors.reduce<Tensor>((total, each) => tf.add(total, each), tf.zeros([...shape]));
      const dx_NG = unpad(
        parts.map(({ dx }) => dx),
        3 * width,
      );
      const dw_HG = sum(
        parts.map(({ dw }) => dw),
        weight_HG.shape,
      );
      const db_1G = sum(
        parts.map(({ db }) => db),
        [1, 3 * width],
      );
      const da_N1 = (): Tensor =>
        unpad(
          parts.map(({ da }) => da),
          1,
        );
      return [dx_NG, dw_HG, db_1G, ...(saved.length > 3 ? [da_N1()] : [])];
    },
  }));
}

/** Splits a matrix of items into one of each item of the rows of a block, `[R, columns]`; padding is 0. */
function itemsOf(tf: TensorFlow, of: Segments, block: Block, x_NI: Tensor): Tensor[] {
  return tf.unstack(tf.reshape(of.pad(x_NI, block), [block.rows, block.length, x_NI.shape[1]!]), 1);
}

function runBlock(
  tf: TensorFlow,
  of: Segments,
  block: Block,
  [x_NG, w_HG, b_1G, a_N1]: readonly (Tensor | undefined)[],
): Step[] {
  const factors = a_N1 && itemsOf(tf, of, block, a_N1);
  const steps: Step[] = [];
  let before_RH: Tensor = tf.zeros([block.rows, w_HG!.shape[0]]);
  for (const [t, x_RG] of itemsOf(tf, of, block, x_NG!).entries()) {
    const [x_r, x_z, x_n] = tf.split(x_RG, 3, 1);
    const [s_r, s_z, product_RH] = tf.split(tf.add(tf.matMul(before_RH, w_HG!), b_1G!), 3, 1);
    const reset_RH = tf.sigmoid(tf.add(x_r!, s_r!));
    const update_RH = tf.sigmoid(tf.neg(tf.add(x_z!, s_z!)));
    const candidate_RH = tf.tanh(tf.add(x_n!, tf.mul(reset_RH, product_RH!)));
    const a_R1 = factors?.[t] ?? tf.ones([block.rows, 1]);
    const y_RH = tf.add(before_RH, tf.mul(tf.mul(a_R1, update_RH), tf.sub(candidate_RH, before_RH)));
    steps.push({ before_RH, reset_RH, update_RH, candidate_RH, product_RH: product_RH!, a_R1, y_RH });
    before_RH = y_RH;
  }
  return steps;
}

/** Computes the gradients of a block: of x and the attention by item, and of the weights as sums over its rows. */
function backBlock(tf: TensorFlow, steps: readonly Step[], dy: readonly Tensor[], w_HG: Tensor) {
  const [dx, da]: [Tensor[], Tensor[]] = [[], []];
  let [dw, db]: [Tensor, Tensor] = [tf.zerosLike(w_HG), tf.zeros([1, w_HG.shape[1]!])];
  let later_RH: Tensor = tf.zerosLike(steps[0]!.before_RH);
  for (const [t, { before_RH, reset_RH, update_RH, candidate_RH, product_RH, a_R1 }] of [
    ...steps.entries(),
  ].reverse()) {
    const d_RH = tf.add(dy[t]!, later_RH);
    const share_RH = tf.mul(a_R1, update_RH);
    const dshare_RH = tf.mul(d_RH, tf.sub(candidate_RH, before_RH));
    const dn = tf.mul(tf.mul(d_RH, share_RH), tf.sub(1, tf.square(candidate_RH)));
    const dr = tf.mul(tf.mul(dn, product_RH), tf.mul(reset_RH, tf.sub(1, reset_RH)));
    const dz = tf.neg(tf.mul(tf.mul(a_R1, dshare_RH), tf.mul(update_RH, tf.sub(1, update_RH))));
    const ds_RG = tf.concat([dr, dz, tf.mul(dn, reset_RH)], 1);
    dx[t] = tf.concat([dr, dz, dn], 1);
    da[t] = tf.sum(tf.mul(dshare_RH, update_RH), 1, true);
    dw = tf.add(dw, tf.matMul(before_RH, ds_RG, true));
    db = tf.add(db, tf.sum(ds_RG, 0, true));
    later_RH = tf.add(tf.mul(d_RH, tf.sub(1, share_RH)), tf.matMul(ds_RG, w_HG, false, true));
  }
  return { dx, da, dw, db };
}
