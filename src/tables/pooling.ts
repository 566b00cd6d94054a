import type { BagColumn } from '../batch.js';
import type { Pooling } from './layout.js';

/** By how much the sum of weighted embeddings is divided, from the sum of weights and of their squares. */
const DIVISORS: Readonly<Record<Pooling, (sum: number, squares: number) => number>> = {
  sum: () => 1,
  mean: (sum) => sum,
  sqrtn: (_, squares) => Math.sqrt(squares),
};

/** A function that gives the factors of the items of a bag's first rows; its memory is used again by the next call. */
export function createFactors(): (bag: BagColumn, rows: number, pooling: Pooling) => Float32Array {
  let factors = new Float32Array(0);
  return (bag, rows, pooling) => {
    const items = bag.offsets[rows]!;
    if (factors.length < items) factors = new Float32Array(2 * items);
    poolingFactors(bag, rows, pooling, factors);
    return factors;
  };
}

/**
 * What each item's embedding is multiplied by, so that the sum over a row is its bag pooled: w, w / Σ w or w / √Σ w². Where the
 * divisor is 0, as all weights are, so are the factors. Computed in doubles, as in kernels/bags.ts.
 */
function poolingFactors({ offsets, weights }: BagColumn, rows: number, pooling: Pooling, factors: Float32Array): void {
  const divisorOf = DIVISORS[pooling];
  for (let b = 0; b < rows; b++) {
    const begin = offsets[b]!;
    const end = offsets[b + 1]!;
    let sum = 0;
    let squares = 0;
    for (let i = begin; i < end; i++) {
      sum += weights[i]!;
      squares += weights[i]! * weights[i]!;
    }
    const divisor = divisorOf(sum, squares);
    const scale = divisor === 0 ? 0 : 1 / divisor;
    for (let i = begin; i < end; i++) factors[i] = scale * weights[i]!;
  }
}
