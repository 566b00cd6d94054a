import { z } from 'zod';
import type { ValidationIssue } from '../../core/component.js';
import { DURATION, DURATION_FORM, parseDuration } from '../../core/duration.js';
import type { AdmissionRule } from '../admissions/admission.js';
import { admissions } from '../admissions/admissions.js';
import { evictionOption, evictions } from '../evictions/evictions.js';
import type { GrowthOptions } from '../vocabulary/growing-vocabulary.js';
import { MAX_TEXTS } from '../vocabulary/recent-texts.js';

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

/** Returns the options of a vocabulary that grows and shrinks while a model trains on a stream. */
export const growthOptions = () => ({
  capacity: z
    .int()
    .min(1)
    .max(MAX_TEXTS)
    .optional()
    .describe('Maximum number of tokens; on a stream, new tokens get rows up to it, then those of others'),
  admit: admissions.schema.optional().describe('Admission of new tokens on a stream; requires capacity'),
  expire: z
    .strictObject({ unseen: unseenOption })
    .optional()
    .describe('Expiry of tokens on a stream, whose rows are cleared and reused; requires capacity'),
  evict: evictionOption
    .optional()
    .describe('Token that loses its row to a new one if all rows are in use; default: lru'),
});

/** The options after parsing. */
export type GrowthSpec = { readonly minCount: number } & z.output<z.ZodObject<ReturnType<typeof growthOptions>>>;

/** Yields the problems of options that depend on each other. */
export function* checkGrowthOptions(spec: GrowthSpec): Generator<ValidationIssue> {
  const { capacity, admit, expire, evict, minCount } = spec;
  for (const [key, option] of Object.entries({ admit, expire, evict }))
    if (option !== undefined && capacity === undefined)
      yield { path: [key], message: `requires capacity, the maximum number of tokens; set capacity, or remove ${key}` };
  if (typeof expire?.unseen === 'string' && DURATION.test(expire.unseen) && parseDuration(expire.unseen) === 0)
    yield { path: ['expire', 'unseen'], message: 'expected more than 0' };
  if (minCount > 1 && minCount !== admitCount(spec))
    yield {
      path: ['admit', 'count'],
      message: `differs from minCount, ${minCount}, which is the same for the first rows; remove minCount`,
    };
}

/** Returns the minimum count of the tokens that are fitted. */
export function admitCount({ admit, minCount }: Pick<GrowthSpec, 'admit' | 'minCount'>): number {
  return buildAdmission(admit, minCount).fitCount;
}

function buildAdmission(admit: GrowthSpec['admit'], minCount: number): AdmissionRule {
  return admissions.build(admit ?? admissions.schema.parse({}), minCount);
}

/** Resolves the options; undefined for a vocabulary that does not grow on a stream. */
export function resolveGrowth({ capacity, admit, expire, evict, minCount }: GrowthSpec): GrowthOptions | undefined {
  if (capacity === undefined) return undefined;
  const unseen = expire?.unseen;
  return {
    capacity,
    admission: buildAdmission(admit, minCount),
    eviction: evictions.build(evict ?? evictions.schema.parse({})),
    unseen: typeof unseen === 'string' ? { ms: parseDuration(unseen) } : unseen,
  };
}
