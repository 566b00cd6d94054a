import type { Observation } from './weighting.js';

// A Gramian is a row-major T × T matrix of the dot products of T gradients.

/**
 * Returns the observed Gramian.
 * @throws Error if the observation has none
 */
export function computeGramian(observation: Observation): Float64Array {
  if (observation.gramian === undefined) throw new Error('the observation has no Gramian');
  return observation.gramian;
}

/** Computes the norms of the gradients. */
export function computeNorms(gramian: Float64Array, size: number): number[] {
  return Array.from({ length: size }, (_, i) => Math.sqrt(Math.max(gramian[i * size + i]!, 0)));
}

/** Computes the Gramian of the gradients, each scaled by its factor. */
export function scaledGramian(gramian: Float64Array, factors: readonly number[]): Float64Array {
  return gramian.map(
    (product, index) => product * factors[Math.floor(index / factors.length)]! * factors[index % factors.length]!,
  );
}

/** Computes the dot product of each gradient with the weighted sum of all. */
export function productsWith(gramian: Float64Array, weights: readonly number[]): number[] {
  const size = weights.length;
  return weights.map((_, i) => weights.reduce((sum, weight, j) => sum + gramian[i * size + j]! * weight, 0));
}

/** Computes the norm of the weighted sum of the gradients. */
export function normOfSum(gramian: Float64Array, weights: readonly number[]): number {
  const square = productsWith(gramian, weights).reduce((sum, product, i) => sum + product * weights[i]!, 0);
  return Math.sqrt(Math.max(square, 0));
}

/** Computes the mean squared norm of the gradients. */
export function meanSquare(gramian: Float64Array, size: number): number {
  return computeNorms(gramian, size).reduce((sum, norm) => sum + norm ** 2 / size, 0);
}

/** Selects the Gramian of some of the gradients. */
export function selectGramian(gramian: Float64Array, size: number, selection: readonly number[]): Float64Array {
  return Float64Array.from(selection.flatMap((i) => selection.map((j) => gramian[i * size + j]!)));
}

/** Scales the coefficients of the gradients so that the norm of their sum is at most `maxNorm`. */
export function limitNorm(gramian: Float64Array, weights: readonly number[], maxNorm: number): number[] {
  const norm = normOfSum(gramian, weights);
  return norm > maxNorm ? weights.map((weight) => (weight * maxNorm) / norm) : [...weights];
}
