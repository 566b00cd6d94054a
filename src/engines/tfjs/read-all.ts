import type { Tensor } from '@tensorflow/tfjs';
import type { TensorFlow } from './backend.js';

/** Returns the elements of a tensor, once it is read. */
export type Numbers = () => Float32Array;

/**
 * Runs computations on the device and reads all results at once, since each read waits for the device.
 * @param compute all tensors that it creates are disposed afterwards, including kept ones
 */
export async function readAll<Result>(
  tf: TensorFlow,
  compute: (keep: (tensor: Tensor) => Numbers) => Result,
): Promise<Result> {
  const kept: Tensor[] = [];
  const arrays: Float32Array[] = [];
  const keep = (tensor: Tensor): Numbers => {
    const at = kept.push(tf.keep(tf.clone(tensor))) - 1;
    return () => arrays[at]!;
  };
  try {
    let result!: Result;
    tf.tidy(() => void (result = compute(keep)));
    if (kept.length === 0) return result;
    const joined = tf.tidy(() =>
      tf.concat(
        kept.map((tensor) => (tensor.shape[0] === 1 ? tensor : tf.reshape(tensor, [1, -1]))),
        1,
      ),
    );
    // A copy, since a backend may return its own memory.
    const all = ((await joined.data()) as Float32Array).slice();
    joined.dispose();
    let begin = 0;
    for (const { size } of kept) arrays.push(all.subarray(begin, (begin += size)));
    return result;
  } finally {
    tf.dispose(kept);
  }
}
