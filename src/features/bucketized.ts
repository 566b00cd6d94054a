import { z } from 'zod';
import { countAtMost } from '../core/count-at-most.js';
import { embeddingWidth } from './embedded.js';
import type { Encoding, Fit } from './feature.js';
import { defineFieldGroup } from './field-group.js';
import { missingOption, withMissing } from './missing.js';
import { parseNumber } from './parse.js';
import { Quantiles } from '../core/quantiles.js';

const increasing = z
  .array(z.number())
  .refine((boundaries) => boundaries.every((value, i) => i === 0 || value > boundaries[i - 1]!));
const fittedSchema = z.strictObject({ boundaries: increasing });

/**
 * Numbers as bucket ids: 1 below the first boundary, 2 up to the next, and so on; a missing value is 0, the
 * out-of-vocabulary id. The field has its own name, such as D508_bucketized, so that the number can be a feature too.
 */
export const bucketized = defineFieldGroup({
  name: 'bucketized',
  summary: 'number per row, bucketized and embedded',
  options: () => ({
    width: embeddingWidth,
    boundaries: z
      .array(z.number())
      .min(1)
      .optional()
      .describe('Increasing bucket boundaries; a boundary belongs to the upper bucket'),
    quantiles: z
      .int()
      .min(2)
      .max(65_536)
      .optional()
      .describe('Number of quantile buckets fitted on the training set; fewer if values repeat'),
    fillMissing: missingOption,
  }),

  either: ['boundaries', 'quantiles'],

  *check({ boundaries, quantiles }) {
    if (boundaries === undefined && quantiles === undefined)
      yield { path: [], message: 'has neither boundaries nor quantiles; set one of them' };
    if (boundaries !== undefined && quantiles !== undefined)
      yield { path: ['quantiles'], message: 'boundaries and quantiles are mutually exclusive; remove one' };
    for (const [i, value] of (boundaries ?? []).entries()) {
      if (i > 0 && value <= boundaries![i - 1]!)
        yield {
          path: ['boundaries', i],
          message: `expected more than the previous boundary, ${boundaries![i - 1]}, found ${value}`,
        };
    }
  },

  build(column, { width, boundaries, quantiles, fillMissing: missing }) {
    const encoding: Encoding =
      boundaries === undefined
        ? {
            ...inWords(`one of ${quantiles} quantiles`),
            startFit: () => startFit(quantiles!),
            encoder: (fitted) => createEncoder(fittedSchema.parse(fitted).boundaries),
          }
        : {
            ...inWords('a bucket between boundaries', ` ${boundaries.join(', ')}`),
            encoder: () => createEncoder(boundaries),
          };
    const name = `${column}_bucketized`;
    return [{ name, columns: [column], owner: name, width, kind: 'id', ...withMissing(encoding, missing) }];
  },
});

const inWords = (encodedAs: string, which = ''): Pick<Encoding, 'encodedAs' | 'meaning'> => ({
  encodedAs,
  meaning: encodedAs + which,
});

function startFit(count: number): Fit {
  const quantiles = new Quantiles();
  return {
    check: (text) => {
      if (text !== '') parseNumber(text);
    },
    observe: (text) => {
      if (text !== '') quantiles.observe(parseNumber(text));
    },
    direct: { cell: 'number', observe: (values, begin, end) => quantiles.observeAll(values, begin, end) },
    finish: () => ({ boundaries: quantiles.boundaries(count) }),
  };
}

function createEncoder(boundaries: readonly number[]): ReturnType<Encoding['encoder']> {
  const findBucket = (value: number): number => countAtMost(boundaries, value) + 1;
  return {
    rows: boundaries.length + 2,
    rule: { kind: 'range', boundaries, empty: 0, cells: 1 },
    encode: (text) => (text === '' ? 0 : findBucket(parseNumber(text))),
    direct: { cell: 'number', encode: findBucket },
  };
}
