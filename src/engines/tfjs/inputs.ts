import type { Tensor } from '@tensorflow/tfjs';
import { column, type Batch } from '../../core/batch.js';
import type { LookedUp } from '../host.js';
import type { TensorFlow } from './backend.js';
import type { Execution } from './execution.js';
import { Segments } from './segments.js';

/** A batch with its looked-up rows. */
export interface Input {
  readonly batch: Batch;
  readonly lookedUp: LookedUp;
}

/** The inputs of a pass on the device. */
export interface UploadedInputs {
  readonly input: Execution['input'];
  /** The looked-up inputs, which are differentiated: the features, then the items of each sequence. */
  readonly lookedUp: readonly Tensor[];
  /** Returns the gradients of looked-up inputs; undefined is 0. */
  gradientOf(gradients: readonly (Float32Array | undefined)[]): LookedUp;
}

/**
 * Uploads looked-up rows.
 * @param sequences widths of the items by field
 */
export function uploadInputs(
  tf: TensorFlow,
  sequences: ReadonlyMap<string, number>,
  { batch, lookedUp: { features, items } }: Input,
): UploadedInputs {
  const features_BI = tf.tensor2d(features, [batch.rows, features.length / batch.rows]);
  const uploaded = new Map(
    [...sequences].map(([field, width]) => {
      const data = column(items, field);
      return [field, tf.tensor2d(data, [data.length / width, width])] as const;
    }),
  );
  return {
    lookedUp: [features_BI, ...uploaded.values()],
    input(source) {
      if (source.kind === 'features') return features_BI;
      if (source.kind === 'items') return uploaded.get(source.field)!;
      // A copy: labels may be in shared memory, which not every backend accepts.
      return tf.tensor2d(column(batch.labels, source.column).slice(0, batch.rows), [batch.rows, 1]);
    },
    gradientOf([ofFeatures, ...ofItems]) {
      const fields = [...sequences.keys()];
      return {
        features: ofFeatures ?? new Float32Array(features.length),
        items: new Map(fields.map((field, s) => [field, ofItems[s] ?? new Float32Array(column(items, field).length)])),
      };
    },
  };
}

/** Runs `work` with the operations on the items of a batch, and frees what they uploaded. */
export async function withSegments<Result>(
  tf: TensorFlow,
  { rows, bags }: Batch,
  work: (segments: Execution['segments']) => Promise<Result>,
): Promise<Result> {
  const created = new Map<string, Segments>();
  try {
    return await work((domain) => {
      if (domain.kind === 'batch') throw new Error('the rows of the batch have no items');
      const { field } = domain;
      const known = created.get(field) ?? new Segments(tf, column(bags, field).offsets.subarray(0, rows + 1));
      created.set(field, known);
      return known;
    });
  } finally {
    for (const segments of created.values()) segments.dispose();
  }
}
