import type { Chunk } from './chunk.js';
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

/**
 * The exact sum of a column over all rows: the same to the last bit in whatever order and chunks they come. Added up
 * once, for all metrics that ask.
 */
export function sumColumn(scores: Scores, column: keyof Chunk): number {
  const known = sums.get(scores) ?? new Map<keyof Chunk, number>();
  sums.set(scores, known);
  const sum = known.get(column) ?? addedUp(scores, column);
  known.set(column, sum);
  return sum;
}

/** Powers of two that a float can have. */
const BINS = 256;

/** As `createExactSum` adds up, which a float's 24 bits leave without a lower half. */
function addedUp(scores: Scores, column: keyof Chunk): number {
  const bins = new Float64Array(BINS);
  for (const chunk of scores) {
    const values = chunk[column];
    addTo(bins, values, new Int32Array(values.buffer, values.byteOffset, values.length));
  }
  let sum = 0;
  for (let bin = 0; bin < BINS; bin++) sum += bins[bin]!;
  return sum;
}

function addTo(bins: Float64Array, values: Float32Array, words: Int32Array): void {
  const { length } = values;
  for (let row = 0; row < length; row++) bins[(words[row]! >>> 23) & (BINS - 1)]! += values[row]!;
}
