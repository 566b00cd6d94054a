import { z } from 'zod';
import { POOLINGS } from '../tables/layout.js';
import { parseJsonBag, looksLikeJson } from './bag-json.js';
import { checkEmbedded, embeddedField, embeddedOptions } from './embedded.js';
import { BadValue, type BagReading } from './feature.js';
import { defineFieldGroup } from './field-group.js';
import { takeTopK } from './top-k-by-weight.js';
import { parseNumber } from './parse.js';
import { quoted } from '../core/errors.js';

/** A character that cannot occur in a number and has no meaning in CSV. */
const separator = z
  .string()
  .regex(/^[^0-9A-Za-z.+"\r\n-]$/u, 'a single character other than a letter, digit, dot, sign, quote or line break');

/** Fields with any number of weighted ids per row, such as items viewed, searched or bought before. */
export const bag = defineFieldGroup({
  name: 'bag',
  summary: 'weighted ids per row, embedded and pooled',
  options: () => ({
    ...embeddedOptions,
    pooling: z
      .enum(POOLINGS)
      .default('mean')
      .describe('Pooling of weight × embedding: sum, mean (over Σ weight) or sqrtn (over √Σ weight²)'),
    separators: z
      .strictObject({
        items: separator.default('|').describe('Separator between items'),
        weight: separator.default(':').describe('Separator between an item and its weight'),
      })
      .prefault({})
      .describe('Separators between items, and between an item and its weight'),
    format: z
      .enum(['auto', 'separated', 'json'])
      .default('auto')
      .describe('Value format: separated items or a JSON list; auto detects JSON lists'),
    maxItems: z
      .int()
      .min(1)
      .optional()
      .describe('Maximum items per row; the largest weights are kept, the first among equals'),
  }),

  *check(options, names) {
    yield* checkEmbedded(options, names);
    const { items, weight } = options.separators;
    if (items === weight)
      yield {
        path: ['separators', 'weight'],
        message: `expected a character other than the item separator, found ${quoted(weight)} for both`,
      };
  },

  build: (name, options) => [
    { ...embeddedField(name, options), kind: 'bag', pooling: options.pooling, ...bagReading(options) },
  ],
});

interface BagOptions {
  readonly separators: { readonly items: string; readonly weight: string };
  readonly pooling: (typeof POOLINGS)[number];
  readonly format: 'auto' | 'separated' | 'json';
  readonly maxItems?: number | undefined;
}

const NO_JSON = new BadValue('a JSON list, such as [20, 34], ["a", "b"] or [["a", 0.5], ["b", 2]]');

/**
 * Creates the parser of a bag's values. In separated text, the last weight separator of an item ends its id, so that
 * ids may contain that character if all items have weights. An item of weight 0 contributes nothing; negative weights
 * are invalid for a mean.
 */
function bagReading({ separators, pooling, format, maxItems: limit }: BagOptions): BagReading {
  const maxItems = limit ?? Infinity;
  const noId = new BadValue('an id in every item');
  const noIdInText = new BadValue(`an id in every item, with '${separators.items}' between items`);
  const noWeight = new BadValue('a weight in the range of a 32-bit float for every item');
  const noWeightInText = new BadValue(
    `items of the form id or id${separators.weight}weight, with a decimal weight in the range of a 32-bit float`,
  );
  const negative = new BadValue('nonnegative weights, which pooling: mean requires');
  const ids: string[] = [];
  const weights: number[] = [];

  const parseWeight = (text: string): number => {
    try {
      return parseNumber(text);
    } catch {
      throw noWeightInText;
    }
  };

  return {
    form: { ...separators, format, maxItems: limit, negative: pooling === 'mean' ? 'refused' : 'taken' },

    split(text, clean) {
      const listed = format !== 'separated' && looksLikeJson(text) ? parseJsonBag(text) : undefined;
      if (listed !== undefined) return listed;
      if (format === 'json' && text !== '') throw NO_JSON;
      ids.length = 0;
      weights.length = 0;
      for (let begin = 0; text.length > 0 && begin <= text.length;) {
        const next = text.indexOf(separators.items, begin);
        const end = next < 0 ? text.length : next;
        const written = text.slice(begin, end);
        const item = clean === undefined ? written : clean(written);
        begin = end + 1;
        if (item === '' && written !== '') continue;
        const colon = item.lastIndexOf(separators.weight);
        const id = colon < 0 ? item : item.slice(0, colon);
        if (id === '') throw noIdInText;
        ids.push(id);
        weights.push(colon < 0 ? 1 : parseWeight(item.slice(colon + 1)));
      }
      return { ids, weights, begin: 0, end: ids.length };
    },

    keep({ ids, weights, begin, end }, add) {
      for (let i = begin; i < end; i++) {
        if (ids[i] === '') throw noId;
        if (!Number.isFinite(Math.fround(weights[i]!))) throw noWeight;
        if (weights[i]! < 0 && pooling === 'mean') throw negative;
      }
      takeTopK(weights, begin, end, maxItems, (i) => add(ids[i]!, weights[i]!));
    },
  };
}
