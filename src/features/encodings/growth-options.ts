import { z } from 'zod';
import type { ValidationIssue } from '../../core/component.js';
import { DURATION, DURATION_FORM, parseDuration } from '../../core/duration.js';
import type { GrowthOptions } from '../vocabulary/growing-vocabulary.js';
import { MAX_TEXTS } from '../vocabulary/recent-texts.js';

/** Maximum number of tokens that are counted before they are admitted, if the config sets none. */
const MAX_PENDING = 1_000_000;

const UNSEEN_FORM = `expected ${DURATION_FORM}, or { steps: N }`;
const unseenOption = z
  .union(
    [
      z.string().regex(DURATION, UNSEEN_FORM),
      z.strictObject({ steps: z.int().min(1).describe('Number of training steps') }),
    ],
    UNSEEN_FORM,
  )
  .describe('Time of the stream, such as 30d, or steps without the token');

/** Options of a vocabulary that grows and shrinks while a model trains on a stream. */
export const growthOptions = {
  capacity: z
    .int()
    .min(1)
    .max(MAX_TEXTS)
    .optional()
    .describe(
      'Maximum number of tokens; on a stream, new tokens get rows up to it, then replace the least recently used',
    ),
  admit: z
    .strictObject({
      count: z.int().min(1).describe('Occurrence at which a token gets a row; default: minCount').optional(),
      pending: z
        .int()
        .min(1)
        .max(MAX_TEXTS)
        .default(MAX_PENDING)
        .describe('Maximum number of tokens that are counted before they get a row'),
    })
    .optional()
    .describe('Admission of new tokens on a stream; requires capacity'),
  expire: z
    .strictObject({ unseen: unseenOption })
    .optional()
    .describe('Expiry of tokens on a stream, whose rows are cleared and reused; requires capacity'),
};

/** The options after parsing. */
export type GrowthSpec = { readonly minCount: number } & z.output<z.ZodObject<typeof growthOptions>>;

/** Yields the problems of options that depend on each other. */
export function* checkGrowthOptions({ capacity, admit, expire, minCount }: GrowthSpec): Generator<ValidationIssue> {
  for (const [key, option] of Object.entries({ admit, expire }))
    if (option !== undefined && capacity === undefined)
      yield { path: [key], message: `requires capacity, the maximum number of tokens; set capacity, or remove ${key}` };
  if (typeof expire?.unseen === 'string' && DURATION.test(expire.unseen) && parseDuration(expire.unseen) === 0)
    yield { path: ['expire', 'unseen'], message: 'expected more than 0' };
  if (admit?.count !== undefined && minCount > 1 && minCount !== admit.count)
    yield {
      path: ['admit', 'count'],
      message: `differs from minCount, ${minCount}, which is the same for the first rows; remove minCount`,
    };
}

/** Returns the count from which a token has a row. */
export function admitCount({ admit, minCount }: Pick<GrowthSpec, 'admit' | 'minCount'>): number {
  return admit?.count ?? minCount;
}

/** Resolves the options; undefined for a vocabulary that does not grow on a stream. */
export function resolveGrowth(spec: GrowthSpec): GrowthOptions | undefined {
  const { capacity, admit, expire } = spec;
  if (capacity === undefined) return undefined;
  const unseen = expire?.unseen;
  return {
    capacity,
    admitCount: admitCount(spec),
    maxPending: admit?.pending ?? MAX_PENDING,
    unseen: typeof unseen === 'string' ? { ms: parseDuration(unseen) } : unseen,
  };
}
