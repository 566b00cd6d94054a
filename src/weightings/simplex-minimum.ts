import { choleskySolver } from './cholesky.js';
import { selectGramian, meanSquare, productsWith } from './gramian.js';

/**
 * Finds the point w ≥ 0, Σ w = 1 that minimizes ½ wᵀ·gramian·w + linear·w: without `linear`, the minimum-norm convex
 * combination of the gradients. Primal active set (Nocedal & Wright 2006, algorithm 16.3), exact after a few
 * iterations.
 */
export function simplexMinimum(gramian: Float64Array, linear: readonly number[]): number[] {
  const size = linear.length;
  // A ridge far below single-precision rounding makes the minimum unique; equal gradients get equal shares. It is
  // proportional to each gradient's own norm, so that it never dominates a short one.
  const matrix = gramian.slice();
  const ridge = 1e-20 * meanSquare(gramian, size) || 1;
  for (let i = 0; i < size; i++) matrix[i * size + i] = matrix[i * size + i]! * (1 + 1e-9) + ridge;

  let free = linear.map((_, i) => i);
  let point = linear.map(() => 1 / size);
  for (let round = 0; round < 50 * size; round++) {
    const target = minimizeOnPlane(matrix, linear, free);
    const bound = findFirstBound(point, target, free);
    if (bound !== undefined) {
      point = point.map((value, i) => (i === bound.index ? 0 : value + bound.step * (target[i]! - value)));
      free = free.filter((i) => i !== bound.index);
      continue;
    }
    point = target;
    const slopes = productsWith(matrix, point).map((product, i) => product + linear[i]!);
    const level = slopes.reduce((sum, slope, i) => sum + slope * point[i]!, 0);
    const steepest = slopes.reduce((best, slope, i) => (slope < slopes[best]! ? i : best), 0);
    const noise = 1e-13 * Math.max(...slopes.map(Math.abs));
    if (free.includes(steepest) || slopes[steepest]! >= level - noise) break;
    free = [...free, steepest].sort((a, b) => a - b);
  }
  return point;
}

/** Finds the minimum on the plane Σ w = 1 where all entries outside `free` are 0. */
function minimizeOnPlane(matrix: Float64Array, linear: readonly number[], free: readonly number[]): number[] {
  const solve = choleskySolver(selectGramian(matrix, linear.length, free), free.length);
  const inner = solve(free.map((i) => -linear[i]!));
  const along = solve(free.map(() => 1));
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const height = (1 - sum(inner)) / sum(along);
  const target = linear.map(() => 0);
  free.forEach((i, k) => (target[i] = inner[k]! + height * along[k]!));
  return target;
}

/**
 * Returns the first entry that becomes negative on the segment from point to target, and the step length at which it
 * does.
 */
function findFirstBound(
  point: readonly number[],
  target: readonly number[],
  free: readonly number[],
): { index: number; step: number } | undefined {
  return free
    .filter((i) => target[i]! < 0)
    .map((index) => ({ index, step: point[index]! / (point[index]! - target[index]!) }))
    .reduce<{ index: number; step: number } | undefined>(
      (first, bound) => (first === undefined || bound.step < first.step ? bound : first),
      undefined,
    );
}
