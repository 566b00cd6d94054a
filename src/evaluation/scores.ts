import { createExactSum } from './exact-sum.js';

/** Labels and predictions of some rows, arrays of one length; they are filled anew for the next chunk. */
export interface Chunk {
  readonly labels: Float32Array;
  readonly predictions: Float32Array;
}

/** The rows that a metric is computed from, chunk by chunk, as often as it asks. */
export interface Scores extends Iterable<Chunk> {
  readonly rows: number;
}

/** The exact sum of a column over all rows: the same to the last bit in whatever order and chunks they come. */
export function sumOf(scores: Scores, column: keyof Chunk): number {
  const sum = createExactSum();
  for (const chunk of scores) {
    const values = chunk[column];
    for (let row = 0; row < values.length; row++) sum.add(values[row]!);
  }
  return sum.value();
}
