import { randomStream } from '../core/random.js';
import type { ListedTrial } from './leaderboard.js';
import { toCost } from './observation.js';
import type { Parameter } from './space.js';
import type { Study } from './study.js';

/** Share of trials that count as good. */
const GOOD_SHARE = 0.25;
/** Minimum number of trials for a result. */
const MIN_TRIALS = 8;
/** Number of bins of a continuous axis. */
const NUM_BINS = 64;
/** Number of permutations, and the quantile of their importance that `chance` reports. */
const [NUM_SHUFFLES, CHANCE_QUANTILE] = [200, 0.95];

/** Importance of one parameter. */
export interface Importance {
  readonly parameter: Parameter;
  /** From 0 (irrelevant) to 1 (it alone decides which trials are among the best). */
  readonly share: number;
  /** 95% quantile of the importance of an irrelevant parameter. */
  readonly chance: number;
  /** Number of finished trials that set the parameter. */
  readonly numTrials: number;
}

/**
 * Computes how much each parameter alone decides whether a trial is among the best quarter. The importance is the share
 * of the variance of being good that the parameter's main effect explains (a first-order Sobol index). PED-ANOVA
 * (Watanabe, Bansal & Hutter 2023, "PED-ANOVA: efficiently quantifying hyperparameter importance in arbitrary
 * subspaces") measures the same. Here it is a share of the whole, not of the sum over parameters, and over the trials
 * of the study. Only finished trials count; a conditional parameter is measured on the trials that set it.
 * @returns parameters with enough trials, most important first
 */
export function computeImportances(
  { space, goal, options: { seed } }: Pick<Study, 'space' | 'goal' | 'options'>,
  board: readonly ListedTrial[],
): readonly Importance[] {
  const finished = board.filter(({ state, value }) => state === 'finished' && value !== null);
  return space
    .flatMap((parameter): Importance | readonly [] => {
      const { name, domain } = parameter;
      const observations = finished.flatMap(({ point, value }) => {
        const coordinate = Object.hasOwn(point, name) ? domain.toCoordinate(point[name]) : undefined;
        return coordinate === undefined ? [] : [{ coordinate, cost: toCost(value!, goal) }];
      });
      const good = gradeTrials(observations.map(({ cost }) => cost));
      const coordinates = observations.map(({ coordinate }) => coordinate);
      if (observations.length < MIN_TRIALS || new Set(coordinates).size < 2 || new Set(good).size < 2) return [];
      const cells = assignBins(parameter, coordinates);
      const random = randomStream(seed, 'importance', name);
      const chanceShares = Array.from({ length: NUM_SHUFFLES }, () => {
        const shuffled = [...good];
        for (let i = shuffled.length - 1; i > 0; i--) {
          const j = random.below(i + 1);
          [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
        }
        return computeExplainedShare(cells, shuffled);
      }).sort((a, b) => a - b);
      return {
        parameter,
        share: computeExplainedShare(cells, good),
        chance: chanceShares[Math.ceil(CHANCE_QUANTILE * NUM_SHUFFLES) - 1]!,
        numTrials: observations.length,
      };
    })
    .sort((a, b) => b.share - a.share);
}

/** Returns each trial's degree of being good: 1 or 0, or a share for ties at the border. */
function gradeTrials(costs: readonly number[]): readonly number[] {
  const numGood = Math.max(1, Math.round(GOOD_SHARE * costs.length));
  const border = [...costs].sort((a, b) => a - b)[numGood - 1];
  const numBelow = costs.filter((cost) => cost < border!).length;
  const atBorder = (numGood - numBelow) / costs.filter((cost) => cost === border).length;
  return costs.map((cost) => (cost < border! ? 1 : cost === border ? atBorder : 0));
}

/** Bin of each trial, and the smoothing kernel between bins, one row per bin. */
interface Bins {
  readonly of: readonly number[];
  readonly kernel: readonly (readonly number[])[];
}

/**
 * Choices are not smoothed. A line is smoothed by a normal kernel half as wide as Scott's rule, which would blur the
 * border of evenly spread values.
 */
function assignBins({ domain: { axis } }: Parameter, coordinates: readonly number[]): Bins {
  if (axis.kind === 'list')
    return {
      of: coordinates,
      kernel: Array.from({ length: axis.count }, (_, i) =>
        Array.from({ length: axis.count }, (_, j) => (i === j ? 1 : 0)),
      ),
    };
  const scale = NUM_BINS / (axis.high - axis.low);
  const of = coordinates.map((x) => Math.min(NUM_BINS - 1, Math.floor((x - axis.low) * scale)));
  const mean = of.reduce((sum, cell) => sum + cell, 0) / of.length;
  const deviation = Math.sqrt(of.reduce((sum, cell) => sum + (cell - mean) ** 2, 0) / of.length);
  const width = Math.max(0.5, 0.5 * deviation * of.length ** -0.2);
  const kernel = Array.from({ length: NUM_BINS }, (_, i) => {
    const row = Array.from({ length: NUM_BINS }, (_, j) => Math.exp(-0.5 * ((i - j) / width) ** 2));
    const sum = row.reduce((a, b) => a + b, 0);
    return row.map((weight) => weight / sum);
  });
  return { of, kernel };
}

/**
 * Computes the variance over the parameter of the probability of being good, as a share of the variance of being good.
 * With the densities p of all trials and q = r p of the good ones, whose share is g, this is g / (1 - g) times the
 * Pearson divergence of q from p, as in PED-ANOVA.
 */
function computeExplainedShare({ of, kernel }: Bins, good: readonly number[]): number {
  const [allMass, goodMass] = [kernel, kernel].map(() => new Float64Array(kernel.length));
  for (const [i, cell] of of.entries()) {
    allMass![cell]! += 1 / of.length;
    goodMass![cell]! += good[i]! / of.length;
  }
  const smooth = (mass: Float64Array): Float64Array => {
    const out = new Float64Array(mass.length);
    for (const [i, weight] of mass.entries())
      if (weight > 0) for (const [j, share] of kernel[i]!.entries()) out[j]! += weight * share;
    return out;
  };
  const [p, q] = [smooth(allMass!), smooth(goodMass!)];
  const mean = good.reduce((sum, degree) => sum + degree, 0) / good.length;
  const variance = good.reduce((sum, degree) => sum + (degree - mean) ** 2, 0) / good.length;
  return p.reduce((sum, mass, i) => (mass > 0 ? sum + mass * (q[i]! / mass - mean) ** 2 : sum), 0) / variance;
}
