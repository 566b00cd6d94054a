import { z } from 'zod';
import { BadValue, defineFeatureType, type Fit } from './feature.js';
import { fieldNames } from './field-names.js';
import { parseNumber } from './parse.js';

type Scale = (value: number) => number;

/** A way to scale numbers: what it learns on train, and the function that follows from it. */
interface Scaling {
  startFit?(): { observe(value: number): void; finish(): unknown };
  scale(fitted: unknown): Scale;
}

const rangeSchema = z.strictObject({ min: z.number(), max: z.number() });
const momentsSchema = z.strictObject({ mean: z.number(), deviation: z.number() });

const SCALINGS = {
  none: { scale: () => (value) => value },

  log1p: {
    scale: () => (value) => {
      if (value <= -1) throw new BadValue('a number above -1, for log(1 + x)');
      return Math.log1p(value);
    },
  },

  /** To 0 … 1 on train; numbers beyond its range go beyond. A constant column becomes 0. */
  'min-max': {
    startFit: () => {
      let min = Infinity;
      let max = -Infinity;
      return {
        observe: (value) => {
          min = Math.min(min, value);
          max = Math.max(max, value);
        },
        finish: () => ({ min, max }),
      };
    },
    scale: (fitted) => {
      const { min, max } = rangeSchema.parse(fitted);
      return (value) => (value - min) / (max - min || 1);
    },
  },

  /** To mean 0 and deviation 1 on train (Welford's update). A constant column becomes 0. */
  standard: {
    startFit: () => {
      let count = 0;
      let mean = 0;
      let squares = 0;
      return {
        observe: (value) => {
          const distance = value - mean;
          mean += distance / ++count;
          squares += distance * (value - mean);
        },
        finish: () => ({ mean, deviation: Math.sqrt(squares / count) }),
      };
    },
    scale: (fitted) => {
      const { mean, deviation } = momentsSchema.parse(fitted);
      return (value) => (value - mean) / (deviation || 1);
    },
  },
} as const satisfies Record<string, Scaling>;

const scalingNames = Object.keys(SCALINGS) as (keyof typeof SCALINGS)[];

/** Fields that enter the model as one number each. */
export const numeric = defineFeatureType({
  name: 'numeric',
  summary: 'one number a row, as it is or scaled',
  options: {
    fields: fieldNames,
    scaling: z.enum(scalingNames).default('none').describe('min-max and standard are fitted on train'),
  },

  build({ fields, scaling: name }) {
    const scaling: Scaling = SCALINGS[name];
    const startFit = (): Fit | undefined => {
      const fit = scaling.startFit?.();
      if (fit === undefined) return undefined;
      const observe = (value: number): void => fit.observe(value);
      return { check: parseNumber, observe: (text) => observe(parseNumber(text)), direct: { cell: 'number', observe }, finish: () => fit.finish() };
    };
    return fields.map((field) => ({
      name: field,
      columns: [field],
      owner: field,
      encodedAs: 'a number',
      meaning: `a number, scaling ${name}`,
      kind: 'number',
      width: 1,
      startFit,
      encoder: (fitted) => {
        const scale = scaling.scale(fitted);
        return { rows: 0, encode: (text) => scale(parseNumber(text)), direct: { cell: 'number', encode: scale } };
      },
    }));
  },
});
