import { z } from 'zod';
import { InvalidValueError } from '../text/invalid-value.js';
import type { ValidationIssue } from './component.js';
import { applyRank, rankStep, startRankFit, type RankStep } from './rank-scaling.js';

/** A step with an inverse: log(1 + x), which rejects values up to -1, or (x - subtract) / divide. */
export type InvertibleStep =
  { readonly kind: 'log1p' } | { readonly kind: 'affine'; readonly subtract: number; readonly divide: number };

export type ScaleStep = InvertibleStep | RankStep;

export type AffineStep = Extract<ScaleStep, { kind: 'affine' }>;

type Scale = (value: number) => number;

/**
 * Accumulates statistics of values. State is local to a call, since V8 allocates a number that outlives it on every
 * change.
 */
export interface ScalingFit {
  observe(value: number): void;
  observeAll(values: Float64Array, begin: number, end: number): void;
  finish(): unknown;
}

/** Returns a statistic's update by a run of numbers, and its update by a single one. */
export function observing(observeAll: ScalingFit['observeAll']): Pick<ScalingFit, 'observe' | 'observeAll'> {
  const one = new Float64Array(1);
  return {
    observeAll,
    observe(value) {
      one[0] = value;
      observeAll(one, 0, 1);
    },
  };
}

/** A scaling: its statistics of the training set, and its steps. */
interface Scaling<Step extends ScaleStep> {
  /** Absent if there is nothing to fit. */
  startFit?(): ScalingFit;
  steps(fitted: unknown): readonly Step[];
}

const rangeSchema = z.strictObject({ min: z.number(), max: z.number() });
const momentsSchema = z.strictObject({ mean: z.number(), deviation: z.number() });

const INVERTIBLE = {
  none: { steps: () => [] },

  log1p: { steps: () => [{ kind: 'log1p' }] },

  /** Maps the training range to 0 … 1, without clipping; a constant column becomes 0. */
  'min-max': {
    startFit: () => {
      let min = Infinity;
      let max = -Infinity;
      return {
        ...observing((values, begin, end) => {
          let [low, high] = [min, max];
          for (let i = begin; i < end; i++) {
            low = Math.min(low, values[i]!);
            high = Math.max(high, values[i]!);
          }
          [min, max] = [low, high];
        }),
        finish: () => ({ min, max }),
      };
    },
    steps: (fitted) => {
      const { min, max } = rangeSchema.parse(fitted);
      return [{ kind: 'affine', subtract: min, divide: max - min || 1 }];
    },
  },

  /** Maps the training set to mean 0 and standard deviation 1 (Welford's update); a constant column becomes 0. */
  standard: {
    startFit: () => {
      let state = { count: 0, mean: 0, squares: 0 };
      return {
        ...observing((values, begin, end) => {
          let { count, mean, squares } = state;
          for (let i = begin; i < end; i++) {
            const distance = values[i]! - mean;
            mean += distance / ++count;
            squares += distance * (values[i]! - mean);
          }
          state = { count, mean, squares };
        }),
        finish: () => ({ mean: state.mean, deviation: Math.sqrt(state.squares / state.count) }),
      };
    },
    steps: (fitted) => {
      const { mean, deviation } = momentsSchema.parse(fitted);
      return [{ kind: 'affine', subtract: mean, divide: deviation || 1 }];
    },
  },
} as const satisfies Record<string, Scaling<InvertibleStep>>;

const SCALINGS = {
  ...INVERTIBLE,

  /** Maps a number to its rank in the training set, from 0 to 1. */
  'quantile-uniform': rankScaling(false),

  /** Maps a number to the normal quantile of its rank, from -5.2 to 5.2. */
  'quantile-normal': rankScaling(true),
} as const satisfies Record<string, Scaling<ScaleStep>>;

function rankScaling(isNormal: boolean): Scaling<RankStep> {
  return {
    startFit: () => {
      const { observeAll, finish } = startRankFit();
      return { ...observing(observeAll), finish };
    },
    steps: (fitted) => [rankStep(fitted, isNormal)],
  };
}

type ScalingName = keyof typeof SCALINGS;
const createNameSchema = <Name extends string>(scalings: Readonly<Record<Name, unknown>>) =>
  z.enum(Object.keys(scalings) as Name[]);
const createListSchema = <Name extends z.ZodType>(name: Name) => z.union([name, z.array(name).min(1)]);

/** Schema of a scaling, or several in sequence. */
export const scalingOption = createListSchema(createNameSchema(SCALINGS));
/** Schema of scalings with an inverse. */
export const invertibleScalingOption = createListSchema(createNameSchema(INVERTIBLE));
/** A scaling, or several in sequence. */
export type ScalingSpec = z.output<typeof scalingOption>;
type StepOf<Spec> = Spec extends z.output<typeof invertibleScalingOption> ? InvertibleStep : ScaleStep;

const listSteps = (spec: ScalingSpec): readonly ScalingName[] => (typeof spec === 'string' ? [spec] : spec);
const learnedSteps = (name: ScalingName, fitted: unknown): readonly ScaleStep[] => SCALINGS[name].steps(fitted);
const isFitted = (name: ScalingName): boolean => 'startFit' in SCALINGS[name];

/** Rejects two fitted scalings in sequence: the second undoes the first. */
export function* checkScaling(spec: ScalingSpec): Generator<ValidationIssue> {
  const fitted = listSteps(spec).flatMap((name, i) => (isFitted(name) ? [{ name, i }] : []));
  for (const { name, i } of fitted.slice(1))
    yield { path: [i], message: `${name} undoes the preceding ${fitted[0]!.name}; remove one of them` };
}

/**
 * Checks the scaling of a label, which must be invertible for labels outside the training set: a fitted scaling must be
 * last.
 */
export function* checkLabelScaling(spec: ScalingSpec): Generator<ValidationIssue> {
  yield* checkScaling(spec);
  const steps = listSteps(spec);
  const fittedIndex = steps.findIndex(isFitted);
  for (const [i, name] of steps.entries())
    if (fittedIndex >= 0 && i > fittedIndex && !isFitted(name) && name !== 'none')
      yield {
        path: [i],
        message:
          `${name} after ${steps[fittedIndex]} rejects labels outside the training range; reorder to [${name}, ` +
          `${steps[fittedIndex]}]`,
      };
}

/**
 * Returns the steps before the fitted one as a function, which rejects values that must not be fitted; undefined if
 * there is none.
 */
export function scaleBeforeFit(spec: ScalingSpec): Scale | undefined {
  const steps = listSteps(spec);
  const fittedIndex = steps.findIndex(isFitted);
  const firstSteps = steps.slice(0, fittedIndex < 0 ? steps.length : fittedIndex).filter((name) => name !== 'none');
  return firstSteps.length === 0
    ? undefined
    : inTurn(firstSteps.flatMap((name) => learnedSteps(name, undefined)).map(applyStep));
}

/** Starts a fit on unscaled values; undefined if there is nothing to fit. */
export function startScalingFit(spec: ScalingSpec): ScalingFit | undefined {
  const name = listSteps(spec).find(isFitted);
  const fit = name && (SCALINGS[name] as Scaling<ScaleStep>).startFit?.();
  const firstSteps = scaleBeforeFit(spec);
  return fit === undefined || firstSteps === undefined
    ? fit
    : {
        ...observing((values, begin, end) =>
          fit.observeAll(values.subarray(begin, end).map(firstSteps), 0, end - begin),
        ),
        finish: () => fit.finish(),
      };
}

/** Returns the scaling function for fitted statistics. */
export function buildScale(spec: ScalingSpec, fitted: unknown): Scale {
  return applySteps(scaleSteps(spec, fitted));
}

/** Returns the function that applies steps in order. */
export function applySteps(steps: readonly ScaleStep[]): Scale {
  return inTurn(steps.map(applyStep));
}

/** Returns the inverse of `applySteps`. */
export function invertSteps(steps: readonly InvertibleStep[]): Scale {
  const inverses = steps
    .toReversed()
    .map((step): Scale => (step.kind === 'log1p' ? Math.expm1 : (value) => value * step.divide + step.subtract));
  return inTurn(inverses);
}

/** Returns the steps of the scaling function. */
export function scaleSteps<Spec extends ScalingSpec>(spec: Spec, fitted: unknown): readonly StepOf<Spec>[] {
  // The steps of invertible scalings are invertible.
  return listSteps(spec).flatMap((name) => learnedSteps(name, fitted)) as readonly StepOf<Spec>[];
}

/** Returns the steps as a single bitwise identical affine step, if possible. */
export function toAffine([first, ...others]: readonly ScaleStep[]): AffineStep | undefined {
  if (first === undefined) return IDENTITY_STEP;
  return others.length === 0 && first.kind === 'affine' ? first : undefined;
}

export const IDENTITY_STEP: AffineStep = { kind: 'affine', subtract: 0, divide: 1 };

function applyStep(step: ScaleStep): Scale {
  if (step.kind === 'rank') return applyRank(step);
  if (step.kind === 'affine') {
    const { subtract, divide } = step;
    return (value) => (value - subtract) / divide;
  }
  return (value) => {
    if (value <= -1) throw new InvalidValueError('a number above -1, for log(1 + x)');
    return Math.log1p(value);
  };
}

function inTurn([first, ...others]: readonly Scale[]): Scale {
  if (first === undefined) return (value) => value;
  return others.length === 0 ? first : (value) => others.reduce((scaled, scale) => scale(scaled), first(value));
}
