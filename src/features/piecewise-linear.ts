import { z } from 'zod';
import { userError } from '../core/errors.js';
import { embeddingWidth } from './embedded.js';
import { BadValue, type Encoding } from './feature.js';
import { defineFieldGroup } from './field-group.js';
import { parseNumber } from './parse.js';
import { createQuantiles } from './quantiles.js';

const fittedSchema = z.strictObject({
  knots: z
    .array(z.number())
    .min(1)
    .refine((knots) => knots.every((value, i) => i === 0 || value > knots[i - 1]!)),
});

/**
 * Numbers as embeddings that change linearly from knot to knot, which lie at quantiles of train: the piecewise linear
 * encoding of
 * Gorishniy et al. 2022 (https://arxiv.org/abs/2203.05556, section 3.2) with a linear layer on it, "Q-L" there. That
 * layer's weights add up
 * from bin to bin; here a row of a table is what they add up to at a knot, so that a number touches two rows and no
 * others. Beyond the
 * ends of train a number is what the end is, where the paper goes on in a straight line.
 *
 * A cell becomes its place among the rows: 3.25 is a quarter of the way from knot 3 to knot 4; row 0 is that of empty
 * cells. A
 * field is called after its column, as in D508_piecewise, so that the number can be a feature too.
 */
export const piecewiseLinear = defineFieldGroup({
  name: 'piecewise-linear',
  summary: 'number per row, embedded by interpolation between quantile knots of the training set',
  options: () => ({
    width: embeddingWidth,
    bins: z
      .int()
      .min(1)
      .max(1024)
      .default(32)
      .describe('Number of quantile bins with linearly interpolated embeddings; fewer if values repeat'),
    fillMissing: z
      .enum(['token', 'error'])
      .default('token')
      .describe('Treatment of missing values: an embedding of their own, or error'),
  }),

  build(column, { width, bins, fillMissing: missing }) {
    const isRefused = missing === 'error';
    const encoding: Encoding = {
      encodedAs: `a place between ${bins + 1} quantiles`,
      meaning: `a place between ${bins + 1} quantiles, missing ${missing}`,
      startFit: () => startFit(column, bins, isRefused),
      encoder: (fitted) => encoderOf(fittedSchema.parse(fitted).knots, isRefused),
    };
    const name = `${column}_piecewise`;
    return [{ name, columns: [column], owner: name, width, kind: 'number', isBetweenRows: true, ...encoding }];
  },
});

const EMPTY = new BadValue(
  'a decimal number',
  "correct the row, or take fillMissing: token; data.onBadRow 'skip' leaves such rows out",
);

function startFit(column: string, bins: number, isRefused: boolean): ReturnType<Encoding['startFit']> {
  const quantiles = createQuantiles();
  let [least, largest] = [Infinity, -Infinity];
  const observe = (value: number): void => {
    quantiles.observe(value);
    least = Math.min(least, value);
    largest = Math.max(largest, value);
  };
  return {
    check: (text) => {
      if (text !== '') parseNumber(text);
      else if (isRefused) throw EMPTY;
    },
    observe: (text) => {
      if (text !== '') observe(parseNumber(text));
    },
    direct: { cell: 'number', observe },
    finish: () => {
      if (largest < least)
        throw userError('data', {
          key: `field '${column}'`,
          message: 'no row of train has a number here, so that nothing can be learned from it',
          fix: 'leave the field out',
        });
      return { knots: [...new Set([least, ...quantiles.boundaries(bins), largest])] };
    },
  };
}

function encoderOf(knots: readonly number[], isRefused: boolean): ReturnType<Encoding['encoder']> {
  const last = knots.length - 1;
  const placeOf = (value: number): number => {
    if (value <= knots[0]!) return 1;
    if (value >= knots[last]!) return last + 1;
    // The last knot that is at most as large.
    let [low, high] = [0, last];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (knots[middle]! <= value) low = middle;
      else high = middle;
    }
    return low + 1 + (value - knots[low]!) / (knots[high]! - knots[low]!);
  };
  return {
    rows: knots.length + 1,
    rule: { kind: 'between', knots, empty: isRefused ? 'refused' : 0, cells: 1 },
    encode: (text) => {
      if (text !== '') return placeOf(parseNumber(text));
      if (isRefused) throw EMPTY;
      return 0;
    },
    direct: { cell: 'number', encode: placeOf },
  };
}
