import { column, type Batch } from '../core/batch.js';
import { userError } from '../core/errors.js';
import type { Graph } from '../graph/graph.js';
import type { TermWeights } from './diagnosis.js';
import type { StepSettings, TermLoss } from './engine.js';
import type { Value, ValueOf } from '../graph/operations.js';

/** A mask that is known from a batch alone. */
type KnownMask = undefined | (ValueOf<'input'> & { readonly source: { readonly kind: 'label' } });

/** Returns whether a mask is known from a batch alone, which a computed one is not. */
export function isKnown(mask: Value | undefined): mask is KnownMask {
  return mask === undefined || (mask.op === 'input' && mask.source.kind === 'label');
}

/**
 * Counts the rows of a batch that each term of a graph counts, by which losses are divided if a batch has several
 * passes.
 * @param isOnePass whether all rows pass at once, possibly on several processes: rows of computed masks are then
 * counted in the pass, and 0 here
 * @throws UserError (config) for a computed mask with several passes, which is unknown before them
 */
export function countedRows({ terms }: Graph, batch: Batch, isOnePass = false): readonly number[] {
  return terms.map(({ name, loss: { mask } }) => {
    if (isKnown(mask))
      return Math.max(
        1,
        mask === undefined ? batch.rows : sumOf(column(batch, mask.source.column, 'f32').data, batch.rows),
      );
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

/** Splits rows into parts of at most `maxRows`. */
export function splitRows(rows: number, maxRows: number): readonly { readonly begin: number; readonly rows: number }[] {
  return Array.from({ length: Math.ceil(rows / maxRows) }, (_, part) => ({
    begin: part * maxRows,
    rows: Math.min(maxRows, rows - part * maxRows),
  }));
}

/** Returns the mean loss of each term over parts of a batch. */
export function meanLosses(
  terms: readonly string[],
  parts: readonly ReadonlyMap<string, TermLoss>[],
): Map<string, TermLoss> {
  return new Map(
    terms.map((name) => {
      const losses = parts.map((part) => part.get(name)!);
      const rows = losses.reduce((sum, loss) => sum + loss.rows, 0);
      return [name, { rows, mean: losses.reduce((sum, loss) => sum + loss.mean * loss.rows, 0) / Math.max(rows, 1) }];
    }),
  );
}

/** Decides the weights of the terms' gradients from the losses and the products between the gradients. */
export function combineTerms(
  { terms }: Graph,
  losses: ReadonlyMap<string, TermLoss>,
  readGramian: () => Float64Array,
  combine: StepSettings['combine'],
): TermWeights {
  const own = terms.map(({ weight }) => weight);
  const means = terms.map(({ name }) => losses.get(name)!.mean);
  return { shared: combine?.(means, readGramian()) ?? own, own };
}

/** Builds a symmetric matrix in row-major order from the sum of triangles (i ≤ j, row-major). */
export function unpackGramian(size: number, triangles: Float64Array): Float64Array {
  const gramian = new Float64Array(size * size);
  const pairs = (size * (size + 1)) / 2;
  for (let at = 0; at < triangles.length; at += pairs) {
    let p = at;
    for (let i = 0; i < size; i++) for (let j = i; j < size; j++) gramian[i * size + j]! += triangles[p++]!;
  }
  for (let i = 0; i < size; i++) for (let j = 0; j < i; j++) gramian[i * size + j] = gramian[j * size + i]!;
  return gramian;
}
