import { choleskySolver } from './cholesky.js';
import { selectGramian, meanSquare, productsWith } from './gramian.js';

/**
 * Finds the point w ≥ 0, Σ w = 1 that minimizes ½ wᵀ·gramian·w + linear·w: without `linear`, the minimum-norm convex
 * combination of the gradients.
 */
export function simplexMinimum(gramian: Float64Array, linear: readonly number[]): number[] {
  const everyIndex = linear.map((_, i) => i);
  return activeSetMinimum(gramian, linear, {
    point: linear.map(() => 1 / linear.length),
    free: everyIndex,
    minimizeOnFace(solve, right) {
      const inner = solve(right);
      const along = solve(right.map(() => 1));
      const height = (1 - sum(inner)) / sum(along);
      return inner.map((value, k) => value + height * along[k]!);
    },
    computeLevel: (point, slopes) => sum(slopes.map((slope, i) => slope * point[i]!)),
  });
}

/** Finds the point w ≥ 0 that minimizes ½ wᵀ·gramian·w + linear·w. */
export function nonnegativeMinimum(gramian: Float64Array, linear: readonly number[]): number[] {
  return activeSetMinimum(gramian, linear, {
    point: linear.map(() => 0),
    free: [],
    minimizeOnFace: (solve, right) => solve(right),
    computeLevel: () => 0,
  });
}

interface Feasible {
  /** A feasible point, and its entries that are not fixed at 0. */
  readonly point: readonly number[];
  readonly free: readonly number[];
  /** Returns the free entries of the minimum if all other entries are 0. */
  minimizeOnFace(solve: (right: readonly number[]) => number[], right: readonly number[]): number[];
  /** Returns the slope below which freeing an entry lowers the minimum. */
  computeLevel(point: readonly number[], slopes: readonly number[]): number;
}

/** Primal active set (Nocedal & Wright 2006, algorithm 16.3), exact after a few iterations. */
function activeSetMinimum(gramian: Float64Array, linear: readonly number[], start: Feasible): number[] {
  const size = linear.length;
  // A ridge far below single-precision rounding makes the minimum unique; equal gradients get equal shares. It is
  // proportional to each gradient's own norm, so that it never dominates a short one.
  const matrix = gramian.slice();
  const ridge = 1e-20 * meanSquare(gramian, size) || 1;
  for (let i = 0; i < size; i++) matrix[i * size + i] = matrix[i * size + i]! * (1 + 1e-9) + ridge;

  let { point, free } = start;
  for (let round = 0; round < 50 * size; round++) {
    const target = linear.map(() => 0);
    const solve = choleskySolver(selectGramian(matrix, size, free), free.length);
    start
      .minimizeOnFace(
        solve,
        free.map((i) => -linear[i]!),
      )
      .forEach((value, k) => (target[free[k]!] = value));
    const bound = findFirstBound(point, target, free);
    if (bound !== undefined) {
      point = point.map((value, i) => (i === bound.index ? 0 : value + bound.step * (target[i]! - value)));
      free = free.filter((i) => i !== bound.index);
      continue;
    }
    point = target;
    const slopes = productsWith(matrix, point).map((product, i) => product + linear[i]!);
    const level = start.computeLevel(point, slopes);
    const steepest = slopes.reduce((best, slope, i) => (slope < slopes[best]! ? i : best), 0);
    const noise = 1e-13 * Math.max(...slopes.map(Math.abs));
    if (free.includes(steepest) || slopes[steepest]! >= level - noise) break;
    free = [...free, steepest].sort((a, b) => a - b);
  }
  return [...point];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
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
