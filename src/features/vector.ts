import { z } from 'zod';
import type { OptionsOf } from '../core/component.js';
import {
  buildScale,
  invertibleScalingOption,
  scaleBeforeFit,
  scaleSteps,
  startScalingFit,
  type InvertibleStep,
} from '../core/scaling.js';
import type { VectorStep } from './cell-rule.js';
import type { Items } from '../chunks/column.js';
import { BadValue, type Encoder, type Field, type Fit, type VectorReading } from './feature.js';
import { defineFieldGroup } from './field-group.js';
import { checkFill, isRefused, noValuesError } from './missing.js';
import { parseNumber } from './parse.js';

const options = () => ({
  length: z.int().min(1).max(65_536).optional().describe('Vector length; default: detected on the training set'),
  separator: z
    .string()
    .regex(/^[^0-9A-Za-z.+"\r\n-]$/u, 'a single character other than a letter, digit, dot, sign, quote or line break')
    .default('|')
    .describe('Separator of numbers; unused for bracketed lists such as [0.1, 0.2]'),
  scaling: invertibleScalingOption
    .default('none')
    .describe('Scaling per element, one or a list; min-max and standard are fitted on the training set'),
  fillMissing: z
    .enum(['error', 'mean', 'zero'])
    .optional()
    .describe('Fill for missing vectors before scaling: training-set mean or zeros; default: error'),
  indicator: z.boolean().optional().describe('Whether to append an element that is 1 if the vector is missing'),
});
type VectorOptions = OptionsOf<ReturnType<typeof options>>;

/** Fitted parameters, lists having one entry per element. */
const fittedSchema = z.strictObject({
  length: z.int().min(1),
  scaling: z.array(z.unknown()).optional(),
  missing: z.array(z.number()).optional(),
});

/** Fields with a fixed number of elements per row, such as the embedding of an image or a text. */
export const vector = defineFieldGroup({
  name: 'vector',
  summary: 'vector of numbers per row, raw or scaled',
  options,

  check: checkFill,

  build(name, options): readonly Field[] {
    const { length, scaling, fillMissing: missing } = options;
    const steps = typeof scaling === 'string' ? scaling : scaling.join(', ');
    const meaning =
      `a vector, scaling ${steps}` +
      (isRefused(missing) ? '' : `, missing ${missing}`) +
      (options.indicator === true ? ', with an indicator' : '');
    const width = length === undefined ? 0 : length + Number(options.indicator === true);
    const reading = vectorReading(options);
    return [
      {
        name,
        columns: [name],
        owner: name,
        encodedAs: 'a vector',
        meaning,
        kind: 'vector',
        width,
        ...reading,
        startFit: isFitted(options) ? () => startFit(name, options, reading) : undefined,
        encoder: (fitted) => createEncoder(options, fitted),
      },
    ];
  },
});

const NO_NUMBER = new BadValue('a decimal number in every element');
const NO_NUMBERS = new BadValue(
  'a list of numbers',
  'correct the row, or set fillMissing: mean; data.onBadRow: skip drops such rows',
);
const WEIGHTED = new BadValue('a list of numbers, not of pairs');
const NONE: ArrayLike<number> = [];

function vectorReading({ separator }: VectorOptions): VectorReading {
  const values: number[] = [];
  const take = (texts: readonly string[], begin: number, end: number): ArrayLike<number> => {
    values.length = 0;
    for (let i = begin; i < end; i++) values.push(parseElement(texts[i]!));
    return values;
  };
  return {
    split(text) {
      if (text === '') return NONE;
      const isList = text.startsWith('[') && text.endsWith(']');
      const inner = isList ? text.slice(1, -1).trim() : text;
      // NumPy writes [0.1 0.2], JSON [0.1, 0.2]; if both separators occur, as in [0,5 0,25], commas are decimal commas.
      const texts = inner === '' ? [] : inner.split(!isList ? separator : inner.includes(',') ? /\s*,\s*/ : /\s+/);
      return take(texts, 0, texts.length);
    },
    ofItems({ ids, weights, begin, end }: Items) {
      for (let i = begin; i < end; i++) if (weights[i] !== 1) throw WEIGHTED;
      return take(ids, begin, end);
    },
  };
}

function parseElement(text: string): number {
  try {
    return parseNumber(text.trim());
  } catch {
    throw NO_NUMBER;
  }
}

/** Creates a check of a value's elements and their count. */
function checker(
  missing: VectorOptions['fillMissing'],
  lengthOf: (found: number) => number,
): (values: ArrayLike<number>) => void {
  return (values) => {
    if (values.length === 0) {
      if (isRefused(missing)) throw NO_NUMBERS;
      return;
    }
    checkLength(values, lengthOf(values.length));
    for (let i = 0; i < values.length; i++) if (!Number.isFinite(Math.fround(values[i]!))) throw NO_NUMBER;
  };
}

function checkLength(values: ArrayLike<number>, length: number): void {
  if (values.length !== length) throw new BadValue(`${length} numbers, as in other rows, found ${values.length}`);
}

function isFitted({ length, scaling, fillMissing: missing }: VectorOptions): boolean {
  return length === undefined || startScalingFit(scaling) !== undefined || missing === 'mean';
}

function startFit(
  name: string,
  { length: given, scaling, fillMissing: missing }: VectorOptions,
  { split }: VectorReading,
): Fit {
  const isScaled = startScalingFit(scaling) !== undefined;
  const before = scaleBeforeFit(scaling);
  let length = given;
  const check = checker(missing, (found) => given ?? found);
  const scales: NonNullable<ReturnType<typeof startScalingFit>>[] = [];
  const means: number[] = [];
  let count = 0;
  const vectorFit = {
    check: (values: ArrayLike<number>): void => {
      check(values);
      for (let i = 0; before !== undefined && i < values.length; i++) before(Math.fround(values[i]!));
    },
    checkLength: (values: ArrayLike<number>): void => {
      if (values.length > 0) checkLength(values, (length ??= values.length));
    },
    observe: (values: ArrayLike<number>): void => {
      if (values.length === 0) return;
      count++;
      length ??= values.length;
      for (let i = 0; i < values.length; i++) {
        const value = Math.fround(values[i]!);
        if (missing === 'mean') means[i] = (means[i] ?? 0) + (value - (means[i] ?? 0)) / count;
        if (isScaled) (scales[i] ??= startScalingFit(scaling)!).observe(value);
      }
    },
  };
  return {
    check: (text) => {
      const values = split(text);
      vectorFit.check(values);
      vectorFit.checkLength(values);
    },
    observe: (text) => vectorFit.observe(split(text)),
    vector: vectorFit,
    finish: () => {
      if (count === 0) throw noValuesError(name, 'list of numbers');
      return {
        length,
        ...(isScaled && { scaling: scales.map((scale) => scale.finish()) }),
        ...(missing === 'mean' && { missing: means }),
      };
    },
  };
}

function createEncoder(
  { length: given, scaling, fillMissing: missing, indicator }: VectorOptions,
  fitted: unknown,
): Encoder {
  const learned = fittedSchema.parse(fitted === undefined && given !== undefined ? { length: given } : fitted);
  const { length, scaling: scalings, missing: means } = learned;
  const scales = Array.from({ length }, (_, i) => buildScale(scaling, scalings?.[i]));
  const check = checker(missing, () => length);
  const isAsItIs = scaling === 'none';
  const encode: NonNullable<Encoder['vector']>['encode'] = (values, into, at) => {
    check(values);
    const isEmpty = values.length === 0;
    for (let i = 0; i < length; i++) {
      const value = isEmpty ? (means?.[i] ?? 0) : Math.fround(values[i]!);
      into[at + i] = isAsItIs ? value : scales[i]!(value);
    }
    if (indicator === true) into[at + length] = Number(isEmpty);
  };
  const rule = {
    length,
    steps: mergeSteps(Array.from({ length }, (_, i) => scaleSteps(scaling, scalings?.[i]))),
    empty: isRefused(missing) ? ('refused' as const) : Array.from({ length }, (_, i) => scales[i]!(means?.[i] ?? 0)),
    hasIndicator: indicator === true,
  };
  return {
    rows: 0,
    width: length + Number(indicator === true),
    vector: { encode, rule },
    encode: noText,
    ...(given === undefined && { decision: `${length} numbers per row` }),
  };
}

/** Merges the scaling steps of all elements, which have the same kinds. */
function mergeSteps(places: readonly (readonly InvertibleStep[])[]): readonly VectorStep[] {
  return places[0]!.map(({ kind }, at): VectorStep => {
    if (kind === 'log1p') return { kind };
    const of = (key: 'subtract' | 'divide'): readonly number[] =>
      places.map((steps) => (steps[at] as Extract<InvertibleStep, { kind: 'affine' }>)[key]);
    return { kind, subtract: of('subtract'), divide: of('divide') };
  });
}

function noText(): never {
  throw new Error('a vector is read as numbers');
}
