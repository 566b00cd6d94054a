import type { Tensor } from '@tensorflow/tfjs';
import { column, type Batch } from '../../core/batch.js';
import { domainName, isOfItems, selectedOffsets, type Domain } from '../../graph/domain.js';
import type { Value } from '../../graph/operations.js';
import type { LookedUp } from '../host.js';
import type { TensorFlow } from './backend.js';
import type { Execution } from './execution.js';
import { Segments } from './segments.js';

/** A batch with its looked-up rows. */
export interface Input {
  readonly batch: Batch;
  readonly lookedUp: LookedUp;
}

/** Returns the labels of a batch on the device, by column. */
export function uploadLabel(tf: TensorFlow, batch: Batch, name: string): Tensor {
  // A copy: labels may be in shared memory, which not every backend accepts.
  return tf.tensor2d(column(batch, name, 'f32').data.slice(0, batch.rows), [batch.rows, 1]);
}

/** Uploads looked-up values to tensors, by the value of the graph that reads them. */
export function uploadInputs(tf: TensorFlow, lookedUp: LookedUp): ReadonlyMap<Value, Tensor> {
  return new Map(
    [...lookedUp].map(([value, data]) => [value, tf.tensor2d(data, [data.length / value.width, value.width])]),
  );
}

/** Runs `work` with the operations on the items of a batch, and frees what they uploaded. */
export async function withSegments<Result>(
  tf: TensorFlow,
  batch: Batch,
  work: (segments: Execution['segments']) => Promise<Result>,
): Promise<Result> {
  const created = new Map<string, Segments>();
  try {
    return await work((domain) => {
      if (domain.kind === 'batch') throw new Error('the rows of the batch have no items');
      const name = domainName(domain);
      const known = created.get(name) ?? new Segments(tf, offsetsOf(domain, batch));
      created.set(name, known);
      return known;
    });
  } finally {
    for (const segments of created.values()) segments.dispose();
  }
}

/** Returns where the items or blocks of each row begin. */
function offsetsOf(domain: Exclude<Domain, { kind: 'batch' }>, batch: Batch): Uint32Array {
  const { rows } = batch;
  if (!isOfItems(domain)) return Uint32Array.from({ length: rows + 1 }, (_, b) => b * domain.count);
  const offsets = column(batch, domain.field, 'list').offsets.subarray(0, rows + 1);
  return domain.kind === 'items' ? offsets : selectedOffsets(offsets, domain.count);
}
