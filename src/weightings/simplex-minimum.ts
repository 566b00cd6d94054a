import { choleskySolver } from './cholesky.js';
import { gramianAmong, meanSquare, productsWith } from './gramian.js';

/**
 * The point w ≥ 0, Σ w = 1 where ½ wᵀ·gramian·w + linear·w is least: without `linear`, the shortest vector among the
 * means
 * of the gradients. Primal active set (Nocedal & Wright 2006, algorithm 16.3), exact after few rounds.
 */
export function simplexMinimum(gramian: Float64Array, linear: readonly number[]): number[] {
  const size = linear.length;
  // A ridge far below the rounding of single floats makes the minimum one point, where equal gradients share alike. It
  // goes
  // with each gradient's own length, so that it never outgrows a short one.
  const matrix = gramian.slice();
  const least = 1e-20 * meanSquare(gramian, size) || 1;
  for (let i = 0; i < size; i++) matrix[i * size + i] = matrix[i * size + i]! * (1 + 1e-9) + least;

  let free = linear.map((_, i) => i);
  let point = linear.map(() => 1 / size);
  for (let round = 0; round < 50 * size; round++) {
    const target = planeMinimum(matrix, linear, free);
    const bound = firstBound(point, target, free);
    if (bound !== undefined) {
      point = point.map((value, i) => (i === bound.at ? 0 : value + bound.step * (target[i]! - value)));
      free = free.filter((i) => i !== bound.at);
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

/** The least point of the plane Σ w = 1 where all that is not free is 0. */
function planeMinimum(matrix: Float64Array, linear: readonly number[], free: readonly number[]): number[] {
  const solve = choleskySolver(gramianAmong(matrix, linear.length, free), free.length);
  const inner = solve(free.map((i) => -linear[i]!));
  const along = solve(free.map(() => 1));
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const height = (1 - sum(inner)) / sum(along);
  const target = linear.map(() => 0);
  free.forEach((i, at) => (target[i] = inner[at]! + height * along[at]!));
  return target;
}

/** Where the way from the point to the target first leaves w ≥ 0, if it does. */
function firstBound(
  point: readonly number[],
  target: readonly number[],
  free: readonly number[],
): { at: number; step: number } | undefined {
  return free
    .filter((i) => target[i]! < 0)
    .map((at) => ({ at, step: point[at]! / (point[at]! - target[at]!) }))
    .reduce<{ at: number; step: number } | undefined>(
      (least, bound) => (least === undefined || bound.step < least.step ? bound : least),
      undefined,
    );
}
