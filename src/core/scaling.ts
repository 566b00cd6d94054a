import { z } from 'zod';
import { InvalidValueError } from '../text/invalid-value.js';
import type { ValidationIssue } from './component.js';

/** One step of a scaling: log(1 + x), which refuses -1 and below, or (x - subtract) / divide. */
export type ScaleStep =
  { readonly kind: 'log1p' } | { readonly kind: 'affine'; readonly subtract: number; readonly divide: number };

/** One that subtracts and divides. */
export type AffineStep = Extract<ScaleStep, { kind: 'affine' }>;

type Scale = (value: number) => number;

/**
 * What is learned of numbers, one by one or those from `begin` to `end`: in variables of its own, since a number that
 * outlives a call is an object each time that it changes.
 */
export interface ScalingFit {
  observe(value: number): void;
  observeAll(values: Float64Array, begin: number, end: number): void;
  finish(): unknown;
}

/** Observes one number as it does many. */
function observing(observeAll: ScalingFit['observeAll']): Pick<ScalingFit, 'observe' | 'observeAll'> {
  const one = new Float64Array(1);
  return {
    observeAll,
    observe(value) {
      one[0] = value;
      observeAll(one, 0, 1);
    },
  };
}

/** A way to scale numbers: what it learns on train, and the steps that follow from it. */
interface Scaling {
  /** None where there is nothing to learn. */
  startFit?(): ScalingFit;
  steps(fitted: unknown): readonly ScaleStep[];
}

const rangeSchema = z.strictObject({ min: z.number(), max: z.number() });
const momentsSchema = z.strictObject({ mean: z.number(), deviation: z.number() });

const SCALINGS = {
  none: { steps: () => [] },

  log1p: { steps: () => [{ kind: 'log1p' }] },

  /** To 0 … 1 on train; numbers beyond its range go beyond. A constant column becomes 0. */
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

  /** To mean 0 and deviation 1 on train (Welford's update). A constant column becomes 0. */
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
} as const satisfies Record<string, Scaling>;

type ScalingName = keyof typeof SCALINGS;
const scalingName = z.enum(Object.keys(SCALINGS) as ScalingName[]);

/** How numbers are scaled, in the YAML. */
export const scalingOption = z.union([scalingName, z.array(scalingName).min(1)]);
/** One way to scale numbers, or several in a row. */
export type ScalingSpec = z.output<typeof scalingOption>;

const stepsOf = (spec: ScalingSpec): readonly ScalingName[] => (typeof spec === 'string' ? [spec] : spec);
const learnedSteps = (name: ScalingName, fitted: unknown): readonly ScaleStep[] => SCALINGS[name].steps(fitted);
const isFitted = (name: ScalingName): boolean => 'startFit' in SCALINGS[name];

/** One scaling that is fitted undoes another: two in a row are a mistake. */
export function* checkScaling(spec: ScalingSpec): Generator<ValidationIssue> {
  const fitted = stepsOf(spec).flatMap((name, i) => (isFitted(name) ? [{ name, i }] : []));
  for (const { name, i } of fitted.slice(1))
    yield { path: [i], message: `${name} undoes what ${fitted[0]!.name} does before it; leave one of the two out` };
}

/**
 * The same of a label, whose scaling must have a way back for all that train has not seen: what is fitted stands last.
 */
export function* checkLabelScaling(spec: ScalingSpec): Generator<ValidationIssue> {
  yield* checkScaling(spec);
  const steps = stepsOf(spec);
  const at = steps.findIndex(isFitted);
  for (const [i, name] of steps.entries())
    if (at >= 0 && i > at && !isFitted(name) && name !== 'none')
      yield {
        path: [i],
        message: `${name} would refuse labels that ${steps[at]} has not seen on train; put it before, as in [${name}, ${steps[at]}]`,
      };
}

/**
 * What happens to a number before something is learned from it; what it refuses must not be learned from. None where it
 * stays as it is.
 */
export function scaleBeforeFit(spec: ScalingSpec): Scale | undefined {
  const steps = stepsOf(spec);
  const at = steps.findIndex(isFitted);
  const before = steps.slice(0, at < 0 ? steps.length : at).filter((name) => name !== 'none');
  return before.length === 0
    ? undefined
    : inTurn(before.flatMap((name) => learnedSteps(name, undefined)).map(forwards));
}

/** A new fit for numbers as they are before they are scaled; none where nothing is learned. */
export function startScalingFit(spec: ScalingSpec): ScalingFit | undefined {
  const name = stepsOf(spec).find(isFitted);
  const fit = name && (SCALINGS[name] as Scaling).startFit?.();
  const before = scaleBeforeFit(spec);
  return fit === undefined || before === undefined
    ? fit
    : {
        ...observing((values, begin, end) => fit.observeAll(values.subarray(begin, end).map(before), 0, end - begin)),
        finish: () => fit.finish(),
      };
}

/** The function that scales numbers, from what was learned. */
export function buildScale(spec: ScalingSpec, fitted: unknown): Scale {
  return inTurn(scaleSteps(spec, fitted).map(forwards));
}

/** The steps of that function. */
export function scaleSteps(spec: ScalingSpec, fitted: unknown): readonly ScaleStep[] {
  return stepsOf(spec).flatMap((name) => learnedSteps(name, fitted));
}

/** All of these steps as one that subtracts and divides, with the same bits, where they are no more than that. */
export function toAffine([first, ...others]: readonly ScaleStep[]): AffineStep | undefined {
  if (first === undefined) return AS_IT_IS;
  return others.length === 0 && first.kind === 'affine' ? first : undefined;
}

/** A number as it is. */
export const AS_IT_IS: AffineStep = { kind: 'affine', subtract: 0, divide: 1 };

function forwards(step: ScaleStep): Scale {
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
