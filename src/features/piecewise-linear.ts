import { z } from 'zod';
import { countAtMost } from '../core/count-at-most.js';
import { embeddingWidth } from './embedded.js';
import { BadValue, type Encoding, type Fit } from './feature.js';
import { defineFieldGroup } from './field-group.js';
import { noValuesError } from './missing.js';
import { parseNumber } from './parse.js';
import { Quantiles } from '../core/quantiles.js';
import { observing } from '../core/scaling.js';

const fittedSchema = z.strictObject({
  knots: z
    .array(z.number())
    .min(1)
    .refine((knots) => knots.every((value, i) => i === 0 || value > knots[i - 1]!)),
});

/**
 * Numbers as embeddings that are linear between knots at training-set quantiles: the piecewise linear encoding of
 * Gorishniy et al. 2022 (https://arxiv.org/abs/2203.05556, section 3.2) with a linear layer, "Q-L" there. That layer
 * sums weights over bins; here a table row stores the sum at a knot, so that a number touches only two rows. Beyond the
 * first and last knot the embedding is constant; the paper extrapolates linearly.
 *
 * A value becomes its position among the rows: 3.25 is a quarter of the way from knot 3 to knot 4; row 0 is for missing
 * values. The field has its own name, such as D508_piecewise, so that the number can be a feature too.
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
      encoder: (fitted) => createEncoder(fittedSchema.parse(fitted).knots, isRefused),
    };
    const name = `${column}_piecewise`;
    return [{ name, columns: [column], owner: name, width, kind: 'number', isBetweenRows: true, ...encoding }];
  },
});

const EMPTY = new BadValue(
  'a decimal number',
  'correct the row, or set fillMissing: token; data.onBadRow: skip drops such rows',
);

function startFit(column: string, bins: number, isRefused: boolean): Fit {
  const quantiles = new Quantiles();
  let [least, largest] = [Infinity, -Infinity];
  const { observe, observeAll } = observing((values, begin, end) => {
    quantiles.observeAll(values, begin, end);
    for (let i = begin; i < end; i++) {
      least = Math.min(least, values[i]!);
      largest = Math.max(largest, values[i]!);
    }
  });
  return {
    check: (text) => {
      if (text !== '') parseNumber(text);
      else if (isRefused) throw EMPTY;
    },
    observe: (text) => {
      if (text !== '') observe(parseNumber(text));
    },
    direct: { cell: 'number', observe: observeAll },
    finish: () => {
      if (largest < least) throw noValuesError(column, 'number');
      return { knots: [...new Set([least, ...quantiles.boundaries(bins), largest])] };
    },
  };
}

function createEncoder(knots: readonly number[], isRefused: boolean): ReturnType<Encoding['encoder']> {
  const last = knots.length - 1;
  const interpolate = (value: number): number => {
    if (value <= knots[0]!) return 1;
    if (value >= knots[last]!) return last + 1;
    const row = countAtMost(knots, value);
    return row + (value - knots[row - 1]!) / (knots[row]! - knots[row - 1]!);
  };
  return {
    rows: knots.length + 1,
    rule: { kind: 'between', knots, empty: isRefused ? 'refused' : 0, cells: 1 },
    encode: (text) => {
      if (text !== '') return interpolate(parseNumber(text));
      if (isRefused) throw EMPTY;
      return 0;
    },
    direct: { cell: 'number', encode: interpolate },
  };
}
