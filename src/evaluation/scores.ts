import type { Chunk } from './chunk.js';
import type { Grouped } from './grouped.js';
import type { Ranked } from './ranked.js';

/** Rows of a metric, iterable in chunks any number of times. */
export interface Scores extends Iterable<Chunk> {
  readonly rows: number;
  /** Sorts both classes by prediction; cached. */
  ranked(): Ranked;
  /** Groups rows by the values of a column, sorted; cached. */
  grouped(by: string): Grouped;
  /** Computes the exact sum of a column, bitwise independent of order and chunks; cached. */
  sum(column: keyof Chunk): number;
}

/** Creates `Scores.sum` of rows. */
export function cachedSums(chunks: () => Iterable<Chunk>): Scores['sum'] {
  const sums = new Map<keyof Chunk, number>();
  return (column) => {
    const sum = sums.get(column) ?? sumExactly(chunks(), column);
    sums.set(column, sum);
    return sum;
  };
}

/** Number of exponents of a float. */
const BINS = 256;

/** Sums as `createExactSum`; the 24 bits of a float require no split. */
function sumExactly(chunks: Iterable<Chunk>, column: keyof Chunk): number {
  const bins = new Float64Array(BINS);
  for (const chunk of chunks) {
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
