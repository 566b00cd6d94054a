import { column, type Batch } from '../core/batch.js';
import { userError } from '../core/errors.js';
import type { Graph } from '../graph/graph.js';
import type { Value, ValueOf } from '../graph/operations.js';

/** A mask whose rows anyone can count who has the batch. */
type KnownMask = undefined | (ValueOf<'input'> & { readonly source: { readonly kind: 'label' } });

/** Whether anyone who has a batch knows which rows a mask admits: not where it is computed. */
export function isKnown(mask: Value | undefined): mask is KnownMask {
  return mask === undefined || (mask.op === 'input' && mask.source.kind === 'label');
}

/**
 * Rows of a batch that the losses of a graph count, a number a term: what they are divided by where a batch passes in
 * parts.
 * @param isOnePass whether all rows pass at once, if by several processes: then those of a mask that is computed are
 * counted in the pass, and 0 here
 * @throws UserError (config) for a mask that is computed in several passes: nobody knows it before the rows have passed
 */
export function countedRows({ terms }: Graph, batch: Batch, isOnePass = false): readonly number[] {
  return terms.map(({ name, loss: { mask } }) => {
    if (isKnown(mask))
      return Math.max(1, mask === undefined ? batch.rows : sumOf(column(batch.labels, mask.source.column), batch.rows));
    if (isOnePass) return 0;
    throw userError('config', {
      key: 'training.accumulateBatches',
      message: `loss '${name}' computes its row counts from the batch, so a step cannot accumulate several batches`,
      fix: 'use a larger training.batchSize instead',
    });
  });
}

function sumOf(labels: Float32Array, rows: number): number {
  let sum = 0;
  for (let b = 0; b < rows; b++) sum += labels[b]!;
  return sum;
}

/** The mean of a loss over parts of a batch from the means of the parts. */
export function meanOfParts(parts: readonly { readonly mean: number; readonly rows: number }[]): {
  readonly mean: number;
  readonly rows: number;
} {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  return { rows, mean: parts.reduce((sum, part) => sum + part.mean * part.rows, 0) / Math.max(rows, 1) };
}

/** A full square, row by row, from the triangles of products (i ≤ j, row by row) that are summed up. */
export function gramianOf(size: number, triangles: Float64Array): Float64Array {
  const gramian = new Float64Array(size * size);
  const pairs = (size * (size + 1)) / 2;
  for (let at = 0; at < triangles.length; at += pairs) {
    let p = at;
    for (let i = 0; i < size; i++) for (let j = i; j < size; j++) gramian[i * size + j]! += triangles[p++]!;
  }
  for (let i = 0; i < size; i++) for (let j = 0; j < i; j++) gramian[i * size + j] = gramian[j * size + i]!;
  return gramian;
}
