import { column, type Batch } from '../batch.js';
import { userError } from '../errors.js';
import type { Graph } from '../graph/graph.js';
import type { Value } from '../graph/operations.js';

/**
 * Rows of a batch that the losses of a graph count, a number a term: what they are divided by where a batch passes in parts.
 * @throws UserError (config) for a mask that is computed: nobody knows it before the rows have passed
 */
export function countedRows({ terms }: Graph, batch: Batch): readonly number[] {
  return terms.map(({ name, loss: { mask } }) => Math.max(1, mask === undefined ? batch.rows : sumOf(mask, batch, name)));
}

function sumOf(mask: Value, batch: Batch, term: string): number {
  if (mask.op !== 'input' || mask.source.kind !== 'label') {
    throw userError('config', { key: 'training.accumulate', message: `the rows that the loss '${term}' counts are computed from the batch, so nobody knows how many a step of several batches will have`, fix: 'take a larger training.batchSize instead' });
  }
  const labels = column(batch.labels, mask.source.column);
  let sum = 0;
  for (let b = 0; b < batch.rows; b++) sum += labels[b]!;
  return sum;
}

/** The mean of a loss over parts of a batch from the means of the parts. */
export function meanOfParts(parts: readonly { readonly mean: number; readonly rows: number }[]): { readonly mean: number; readonly rows: number } {
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
