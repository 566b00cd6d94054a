import { z } from 'zod';
import type { OptionsOf, ValidationIssue } from '../core/component.js';
import {
  buildScale,
  observing,
  scaleBeforeFit,
  scaleSteps,
  scalingOption,
  startScalingFit,
  toAffine,
  type ScalingSpec,
} from '../core/scaling.js';
import { BadValue, type Encoder, type Encoding, type Field, type Fit } from './feature.js';
import { defineFieldGroup } from './field-group.js';
import { checkFill, isRefused, noValuesError } from './missing.js';
import { parseNumber } from './parse.js';
import { Quantiles } from '../core/quantiles.js';

/** Schema of the fill value. */
const missingOption = z
  .union([z.enum(['error', 'mean', 'median', 'zero']), z.number()])
  .optional()
  .describe('Fill for missing values before scaling: a number or a training-set statistic; default: error');

/**
 * Creates the options of numbers that are scaled.
 * @param scaling default
 */
export const scaledNumberOptions = (scaling: ScalingSpec) => ({
  scaling: scalingOption
    .default(scaling)
    .describe('Scaling, one or a list, as in [log1p, standard]; all but none and log1p are fitted on the training set'),
  fillMissing: missingOption,
  indicator: z.boolean().optional().describe('Whether to add a field <name>_missing, 1 if the value is missing'),
});
type NumericOptions = OptionsOf<ReturnType<typeof scaledNumberOptions>>;
type NumberOptions = Pick<NumericOptions, 'scaling' | 'fillMissing'>;

/** Schema of a fit with a fitted fill value. */
const filledSchema = z.strictObject({ missing: z.number(), scaling: z.unknown() });

/** Fields with one number per row. */
export const numeric = defineFieldGroup({
  name: 'numeric',
  summary: 'number per row, raw or scaled',
  options: () => scaledNumberOptions('none'),
  check: checkScaledNumber,
  build: (column, options) => [
    { ...numberField(column, options), kind: 'number' },
    ...indicatorFields(column, options),
  ],
});

/** Validates the options of a scaled number. */
export function* checkScaledNumber(options: NumericOptions): Generator<ValidationIssue> {
  yield* checkFill(options);
  const { fillMissing } = options;
  if (typeof fillMissing === 'number' && !Number.isFinite(Math.fround(fillMissing)))
    yield { path: ['fillMissing'], message: 'expected a number within the range of a 32-bit float' };
}

/** Returns the indicator field of missing numbers if the options request one. */
export function indicatorFields(column: string, { indicator }: NumericOptions): readonly Field[] {
  return indicator === true ? [indicatorField(column)] : [];
}

/** Returns the part of a number that does not depend on the kind of its field. */
export function numberField(
  name: string,
  options: NumberOptions,
): Encoding & Pick<Field, 'name' | 'columns' | 'owner' | 'width'> {
  return {
    name,
    columns: [name],
    owner: name,
    encodedAs: 'a number',
    meaning: describeMeaning(options),
    width: 1,
    startFit: isFitted(options) ? () => startFit(name, options) : undefined,
    encoder: (fitted) => createEncoder(options, fitted),
  };
}

function describeMeaning({ scaling, fillMissing: missing }: NumberOptions): string {
  const named = typeof scaling === 'string' ? scaling : scaling.join(', ');
  return `a number, scaling ${named}${isRefused(missing) ? '' : `, missing ${missing}`}`;
}

function indicatorField(column: string): Field {
  const name = `${column}_missing`;
  const encode = (text: string): number => {
    if (text === '') return 1;
    parseNumber(text);
    return 0;
  };
  return {
    name,
    columns: [column],
    owner: name,
    encodedAs: 'whether a number is missing',
    meaning: 'whether a number is missing',
    kind: 'number',
    width: 1,
    encoder: () => ({
      rows: 0,
      rule: { kind: 'constant', value: 0, empty: 1, cells: 1 },
      encode,
      direct: { cell: 'number', encode: () => 0 },
    }),
  };
}

/** Accumulates a fill value on the training set. */
interface Filling {
  observe(value: number): void;
  finish(): number;
}

const FILLINGS: Readonly<Record<string, () => Filling>> = {
  mean: () => {
    let count = 0;
    let mean = 0;
    return { observe: (value) => void (mean += (value - mean) / ++count), finish: () => mean };
  },
  median: () => {
    const quantiles = new Quantiles();
    return { observe: (value) => quantiles.observe(value), finish: () => quantiles.median() };
  },
};

function isFitted({ scaling, fillMissing: missing }: NumberOptions): boolean {
  return startScalingFit(scaling) !== undefined || FILLINGS[String(missing)] !== undefined;
}

function startFit(name: string, { scaling, fillMissing: missing }: NumberOptions): Fit {
  const scalingFit = startScalingFit(scaling);
  const filling = FILLINGS[String(missing)]?.();
  const before = scaleBeforeFit(scaling);
  let count = 0;
  const { observe, observeAll } = observing((values, begin, end) => {
    count += end - begin;
    scalingFit?.observeAll(values, begin, end);
    if (filling !== undefined) for (let i = begin; i < end; i++) filling.observe(values[i]!);
  });
  return {
    check: (text) => {
      if (text === '' && !isRefused(missing)) return;
      const value = readNumber(text);
      before?.(value);
    },
    observe: (text) => {
      if (text !== '') observe(parseNumber(text));
    },
    direct: { cell: 'number', observe: observeAll, ...(before !== undefined && { check: before }) },
    finish: () => {
      if (count === 0) throw noValuesError(name, 'number');
      return filling === undefined
        ? scalingFit!.finish()
        : { missing: filling.finish(), scaling: scalingFit?.finish() };
    },
  };
}

function createEncoder({ scaling, fillMissing: missing }: NumberOptions, fitted: unknown): Encoder {
  const isLearned = FILLINGS[String(missing)] !== undefined;
  const learned = isLearned ? filledSchema.parse({ scaling: undefined, ...(fitted as object) }) : undefined;
  const fittedScaling = learned === undefined ? fitted : learned.scaling;
  const scale = buildScale(scaling, fittedScaling);
  const steps = scaleSteps(scaling, fittedScaling);
  const meaning = { kind: 'number', scaling: steps, cells: 1 } as const;
  const direct = { cell: 'number', encode: scale, affine: toAffine(steps) } as const;
  if (isRefused(missing))
    return { rows: 0, rule: { ...meaning, empty: 'refused' }, encode: (text) => scale(readNumber(text)), direct };
  const filled = scale(learned?.missing ?? (missing === 'zero' ? 0 : Number(missing)));
  return {
    rows: 0,
    rule: { ...meaning, empty: filled },
    encode: (text) => (text === '' ? filled : scale(parseNumber(text))),
    direct,
  };
}

/** Parses a number; a missing value is invalid. */
function readNumber(text: string): number {
  if (text === '') throw NO_NUMBER;
  return parseNumber(text);
}

const NO_NUMBER = new BadValue(
  'a decimal number',
  'correct the row, or set fillMissing: mean; data.onBadRow: skip drops such rows',
);
