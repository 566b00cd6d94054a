import { z } from 'zod';
import type { OptionsOf, ValidationIssue } from '../core/component.js';
import { POOLINGS } from '../tables/layout.js';
import { checkEmbedded, embeddedField, embeddedOptions } from './embedded.js';
import { defineFieldGroup } from './field-group.js';
import { quoted } from '../core/errors.js';

/** A character that cannot occur in a number and has no meaning in CSV. */
const separator = z
  .string()
  .regex(/^[^0-9A-Za-z.+"\r\n-]$/u, 'a single character other than a letter, digit, dot, sign, quote or line break');

const separators = z.strictObject({
  items: separator.default('|').describe('Separator between items'),
  weight: separator.default(':').describe('Separator between an item and its weight'),
});

/** Options for the format of lists in a value. */
export const listOptions = {
  separators: separators.prefault({}).describe('Separators between items, and between an item and its weight'),
  format: z
    .enum(['auto', 'separated', 'json'])
    .default('auto')
    .describe('Value format: separated items or a JSON list; auto detects JSON lists'),
};

/** Separators of lists whose items may be lists. */
export const nestedSeparators = separators
  .extend({ values: separator.optional().describe("Separator between the values of an item; default: ';'") })
  .prefault({})
  .describe('Separators between items, between an item and its weight, and between the values of an item');

/** Requires that items and their weights have different separators. */
export function* checkSeparators({
  separators: { items, weight },
}: OptionsOf<typeof listOptions>): Generator<ValidationIssue> {
  if (items === weight)
    yield {
      path: ['separators', 'weight'],
      message: `expected a character other than the item separator, found ${quoted(weight)} for both`,
    };
}

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
    ...listOptions,
    maxItems: z
      .int()
      .min(1)
      .optional()
      .describe('Maximum items per row; the largest weights are kept, the first among equals'),
  }),

  *check(options, names) {
    yield* checkEmbedded(options, names);
    yield* checkSeparators(options);
  },

  build: (name, { separators, pooling, format, maxItems, ...embedded }) => [
    {
      ...embeddedField(name, embedded),
      kind: 'bag',
      pooling,
      form: { ...separators, format, maxItems, negative: pooling === 'mean' ? 'refused' : 'taken' },
    },
  ],
});
