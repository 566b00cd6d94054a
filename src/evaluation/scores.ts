import type { Chunk } from './chunk.js';
import { createExactSum } from './exact-sum.js';
import type { Grouped } from './grouped.js';
import type { Ranked } from './ranked.js';

/** The rows that a metric is computed from, chunk by chunk, as often as it asks. */
export interface Scores extends Iterable<Chunk> {
  readonly rows: number;
  /** Both classes sorted by prediction: once, for all metrics that ask. */
  ranked(): Ranked;
  /** The rows of each group of equal cells in a column of the data, sorted: once, for all metrics that ask. */
  grouped(by: string): Grouped;
}

/** Several metrics ask for the same ones. */
const sums = new WeakMap<Scores, Map<keyof Chunk, number>>();

/** The exact sum of a column over all rows: the same to the last bit in whatever order and chunks they come. Added up once, for all metrics that ask. */
export function sumOf(scores: Scores, column: keyof Chunk): number {
  const known = sums.get(scores) ?? new Map<keyof Chunk, number>();
  sums.set(scores, known);
  const sum = known.get(column) ?? addedUp(scores, column);
  known.set(column, sum);
  return sum;
}

function addedUp(scores: Scores, column: keyof Chunk): number {
  const sum = createExactSum();
  for (const chunk of scores) {
    const values = chunk[column];
    for (let row = 0; row < values.length; row++) sum.add(values[row]!);
  }
  return sum.value();
}
