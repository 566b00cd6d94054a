import type { Random } from '../../core/random.js';
import type { Axis } from '../domains/domain.js';
import { drawCoordinate, isSet, type Parameter, type Point, type Space } from '../space.js';

// Density over the points of a space, as in Optuna's multivariate TPE (Bergstra et al. 2011; Falkner et al. 2018,
// BOHB). It is a mixture of one kernel per trial, each a product over parameters, and a kernel as wide as the space.

/** The minimum width of a kernel is the line divided by the number of kernels, at most this many. */
const MAX_KERNELS = 100;

/** A kernel's factor for one parameter: a truncated normal on a line, probabilities for a list. */
type Factor =
  | { readonly kind: 'line'; readonly mean: number; readonly width: number; readonly mass: number }
  | { readonly kind: 'list'; readonly chances: readonly number[] };

interface Kernel {
  readonly logWeight: number;
  readonly factors: ReadonlyMap<Parameter, Factor>;
}

export interface Parzen {
  /** Samples coordinates of all parameters that are set. */
  draw(random: Random): { readonly point: Point; readonly coordinates: ReadonlyMap<Parameter, number> };
  /** Returns the logarithm of the density at sampled coordinates. */
  logDensity(coordinates: ReadonlyMap<Parameter, number>): number;
}

/**
 * Builds the density of trials.
 * @param points of the trials
 * @param weights of the trials; the kernel as wide as the space has weight 1
 */
export function createParzen(space: Space, points: readonly Point[], weights: readonly number[]): Parzen {
  const total = weights.reduce((sum, weight) => sum + weight, 1);
  // If a trial did not set a parameter, its kernel is as wide as the line there, like the last one.
  const factors = space.map(
    (parameter) =>
      [
        parameter,
        buildFactors(parameter, [
          ...points.map((point) =>
            Object.hasOwn(point, parameter.name) ? parameter.domain.toCoordinate(point[parameter.name]) : undefined,
          ),
          undefined,
        ]),
      ] as const,
  );
  const kernels = [...weights, 1].map((weight, i): Kernel => ({
    logWeight: Math.log(weight / total),
    factors: new Map(factors.map(([parameter, perKernel]) => [parameter, perKernel[i]!])),
  }));
  return {
    draw(random) {
      const { factors } = pick(kernels, random);
      const coordinates = new Map<Parameter, number>();
      const point: Record<string, unknown> = {};
      for (const parameter of space) {
        if (!isSet(parameter, point)) continue;
        const value = parameter.domain.toValue(drawFrom(factors.get(parameter)!, parameter.domain.axis, random));
        point[parameter.name] = value;
        coordinates.set(parameter, parameter.domain.toCoordinate(value)!);
      }
      return { point, coordinates };
    },
    logDensity: (coordinates) =>
      logSumExp(
        kernels.map(({ logWeight, factors }) =>
          [...coordinates].reduce(
            (sum, [parameter, x]) => sum + logFactor(factors.get(parameter)!, parameter.domain.axis, x),
            logWeight,
          ),
        ),
      ),
  };
}

/** Builds the factors of all kernels for one parameter. */
function buildFactors(
  { domain: { axis } }: Parameter,
  coordinates: readonly (number | undefined)[],
): readonly Factor[] {
  if (axis.kind === 'list') {
    // One observation, and a flat prior whose weight over all kernels is that of one observation.
    const flat = 1 / coordinates.length;
    return coordinates.map((coordinate) => {
      const sum = axis.count * flat + (coordinate === undefined ? 0 : 1);
      return {
        kind: 'list',
        chances: Array.from({ length: axis.count }, (_, i) => (flat + (i === coordinate ? 1 : 0)) / sum),
      };
    });
  }
  const length = axis.high - axis.low;
  const widths = computeWidths(
    axis,
    coordinates.filter((coordinate) => coordinate !== undefined),
  );
  return coordinates.map((coordinate) => {
    const mean = coordinate ?? (axis.low + axis.high) / 2;
    const width =
      coordinate === undefined
        ? length
        : Math.min(length, Math.max(length / Math.min(MAX_KERNELS, coordinates.length + 1), widths.get(coordinate)!));
    return { kind: 'line', mean, width, mass: normalMass((axis.low - mean) / width, (axis.high - mean) / width) };
  });
}

/**
 * Returns each coordinate's larger gap to its neighbors (Bergstra et al. 2011); the ends of the line count only for a
 * single coordinate.
 */
function computeWidths(
  { low, high }: { readonly low: number; readonly high: number },
  coordinates: readonly number[],
): ReadonlyMap<number, number> {
  const sorted = [...coordinates].sort((a, b) => a - b);
  const isAlone = sorted.length === 1;
  const widths = new Map<number, number>();
  for (const [i, x] of sorted.entries()) {
    const lowerNeighbor = sorted[i - 1] ?? (isAlone ? low : x);
    const upperNeighbor = sorted[i + 1] ?? (isAlone ? high : x);
    // Of equal coordinates, the outer ones have the gaps.
    widths.set(x, Math.max(widths.get(x) ?? 0, x - lowerNeighbor, upperNeighbor - x));
  }
  return widths;
}

function pick(kernels: readonly Kernel[], random: Random): Kernel {
  let remaining = random.uniform();
  for (const kernel of kernels) if ((remaining -= Math.exp(kernel.logWeight)) < 0) return kernel;
  return kernels.at(-1)!;
}

function drawFrom(factor: Factor, axis: Axis, random: Random): number {
  if (factor.kind === 'list') {
    let remaining = random.uniform();
    const index = factor.chances.findIndex((chance) => (remaining -= chance) < 0);
    return index < 0 ? factor.chances.length - 1 : index;
  }
  if (axis.kind === 'list') return drawCoordinate(axis, random);
  // The mean is on the line, so at least a third of the samples are accepted.
  for (;;) {
    const x = factor.mean + factor.width * random.normal();
    if (x >= axis.low && x <= axis.high) return x;
  }
}

function logFactor(factor: Factor, axis: Axis, x: number): number {
  if (factor.kind === 'list') return Math.log(factor.chances[x]!);
  const { mean, width, mass } = factor;
  const z = (x - mean) / width;
  const step = axis.kind === 'line' ? axis.step : 0;
  if (step === 0) return -0.5 * z * z - Math.log(width * Math.sqrt(2 * Math.PI) * mass);
  // For stepped values, the density is the probability of the cell.
  return Math.log(Math.max(normalMass(z - step / 2 / width, z + step / 2 / width), Number.MIN_VALUE) / mass);
}

function logSumExp(values: readonly number[]): number {
  const largest = Math.max(...values);
  return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}

/** Computes the probability of the standard normal between two points, with small relative error also in the tails. */
export function normalMass(a: number, b: number): number {
  if (a > 0) return 0.5 * (erfc(a / Math.SQRT2) - erfc(b / Math.SQRT2));
  if (b < 0) return normalMass(-b, -a);
  return 1 - 0.5 * (erfc(-a / Math.SQRT2) + erfc(b / Math.SQRT2));
}

/**
 * Complementary error function for x >= 0, with relative error 1.2e-7 (the Chebyshev fit in Press et al., Numerical
 * Recipes, §6.2).
 */
function erfc(x: number): number {
  const t = 1 / (1 + 0.5 * x);
  const fit = [
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223,
    0.17087277,
  ];
  return t * Math.exp(-x * x + fit.reduceRight((sum, coefficient) => sum * t + coefficient, 0));
}
