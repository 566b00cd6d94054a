import type { Seen } from './weighting.js';

// A Gramian is T × T, row by row: the products of T gradients.

/** The Gramian that a weighting of these needs has been given. */
export function computeGramian(seen: Seen): Float64Array {
  if (seen.gramian === undefined) throw new Error('a weighting that needs the Gramian was observed without one');
  return seen.gramian;
}

/** The norms of the gradients. */
export function computeNorms(gramian: Float64Array, size: number): number[] {
  return Array.from({ length: size }, (_, i) => Math.sqrt(Math.max(gramian[i * size + i]!, 0)));
}

/** The Gramian of the gradients times a factor each. */
export function scaledGramian(gramian: Float64Array, factors: readonly number[]): Float64Array {
  return gramian.map(
    (product, at) => product * factors[Math.floor(at / factors.length)]! * factors[at % factors.length]!,
  );
}

/** The product of each gradient with the sum of all, each times its weight. */
export function productsWith(gramian: Float64Array, weights: readonly number[]): number[] {
  const size = weights.length;
  return weights.map((_, i) => weights.reduce((sum, weight, j) => sum + gramian[i * size + j]! * weight, 0));
}

/** The norm of the sum of the gradients, each times its weight. */
export function normOfSum(gramian: Float64Array, weights: readonly number[]): number {
  const square = productsWith(gramian, weights).reduce((sum, product, i) => sum + product * weights[i]!, 0);
  return Math.sqrt(Math.max(square, 0));
}

/** The mean square norm of the gradients; 0 where all are 0. */
export function meanSquare(gramian: Float64Array, size: number): number {
  return computeNorms(gramian, size).reduce((sum, norm) => sum + norm ** 2 / size, 0);
}

/** The Gramian of some of the gradients. */
export function gramianAmong(gramian: Float64Array, size: number, chosen: readonly number[]): Float64Array {
  return Float64Array.from(chosen.flatMap((i) => chosen.map((j) => gramian[i * size + j]!)));
}
