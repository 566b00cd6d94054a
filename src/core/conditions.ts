import { z } from 'zod';
import { readDate } from '../text/dates.js';

/**
 * Column name; numeric names such as 101 need no quotes. `__proto__` is rejected, since columns are keys of objects.
 */
export const columnName = z
  .union([
    z
      .string()
      .min(1)
      .refine((name) => name !== '__proto__', 'the column name __proto__ is not supported; rename the column'),
    z.int().min(0),
  ])
  .transform(String);

/** Value that a condition compares with. */
export type ConditionValue = string | number | boolean;

/** A condition on a row: comparisons of one column, or a combination of conditions. Plain data. */
export interface Condition {
  readonly column?: string | undefined;
  readonly equals?: ConditionValue | undefined;
  readonly oneOf?: readonly ConditionValue[] | undefined;
  readonly above?: Limit | undefined;
  readonly atLeast?: Limit | undefined;
  readonly below?: Limit | undefined;
  readonly atMost?: Limit | undefined;
  readonly isNull?: boolean | undefined;
  readonly all?: readonly Condition[] | undefined;
  readonly any?: readonly Condition[] | undefined;
  readonly not?: Condition | undefined;
}

/** A number, or an ISO 8601 date. */
export type Limit = number | string;

export const LIMITS = ['above', 'atLeast', 'below', 'atMost'] as const;
const COMPARISONS = ['equals', 'oneOf', ...LIMITS, 'isNull'] as const;
const FORMS = ['column', 'all', 'any', 'not'] as const;

/** Rejects integers that a double cannot represent exactly. */
const exact = z
  .number()
  .refine(
    (value) => !Number.isInteger(value) || Number.isSafeInteger(value),
    'has more digits than a number can represent; write it as a quoted string',
  );
const value = z.union([z.string(), exact, z.boolean()], 'expected a string, a number, true or false');
export const limitSchema = z.union([exact, z.string()], 'expected a number or a date').superRefine((given, context) => {
  if (typeof given === 'string' && readDate(given) === undefined) {
    const hint = given.trim() !== '' && Number.isFinite(Number(given)) ? '; write a number without quotes' : '';
    context.addIssue({
      code: 'custom',
      message:
        'expected a number, or a date such as 2026-11-01 or 2026-11-01T18:30, found ' +
        `${JSON.stringify(given)}${hint}`,
    });
  }
});

const nested: z.ZodType<Condition> = z.lazy(() => conditionSchema);

export const conditionSchema: z.ZodType<Condition> = z
  .strictObject({
    column: columnName.optional().describe('Column to compare; all comparisons given must hold'),
    equals: value
      .optional()
      .describe('Value to match: strings exactly, numbers numerically (1 equals 1.0), true and false also 1 and 0'),
    oneOf: z.array(value).min(1).optional().describe('List of values, one of which must match'),
    above: limitSchema
      .optional()
      .describe('Exclusive lower bound, number or date; a date without a time covers the whole day'),
    atLeast: limitSchema.optional().describe('Inclusive lower bound, number or date'),
    below: limitSchema.optional().describe('Exclusive upper bound, number or date'),
    atMost: limitSchema
      .optional()
      .describe('Inclusive upper bound, number or date; a date without a time includes the whole day'),
    isNull: z.boolean().optional().describe('Whether the value is missing'),
    all: z.array(nested).min(1).optional().describe('Conditions that must all hold'),
    any: z.array(nested).min(1).optional().describe('Conditions of which at least one must hold'),
    not: nested.optional().describe('Condition that must not hold'),
  })
  .superRefine((condition, context) => {
    const forms = FORMS.filter((form) => condition[form] !== undefined);
    const comparisons = COMPARISONS.filter((comparison) => condition[comparison] !== undefined);
    const fail = (message: string): void => context.addIssue({ code: 'custom', message });
    if (forms.length !== 1)
      fail(
        `expected one of column, all, any or not, found ${forms.length === 0 ? 'none' : forms.join(' and ')}; ` +
          'use for example { column: play_ms, above: 7000 }',
      );
    else if (forms[0] !== 'column' && comparisons.length > 0)
      fail(`${comparisons.join(', ')} cannot be combined with ${forms[0]}; use it with column`);
    else if (forms[0] === 'column' && comparisons.length === 0)
      fail(`the column has no comparison; add one of ${COMPARISONS.join(', ')}`);
    else if (condition.isNull !== undefined && comparisons.length > 1)
      fail('isNull cannot be combined with other comparisons; a missing value matches none');
  })
  .describe('Comparisons on the columns of a row');

/** Returns the distinct columns of a condition in order of appearance. */
export function conditionColumns({ column, all = [], any: some = [], not }: Condition): readonly string[] {
  const below = [...all, ...some, ...(not === undefined ? [] : [not])].flatMap(conditionColumns);
  return [...new Set([...(column === undefined ? [] : [column]), ...below])];
}

/** Returns the distinct columns that a condition compares with numbers. */
export function numberColumns({
  column,
  equals,
  oneOf = [],
  all = [],
  any: some = [],
  not,
  ...limits
}: Condition): readonly string[] {
  const values = [equals, ...oneOf, ...LIMITS.map((word) => limits[word])];
  const below = [...all, ...some, ...(not === undefined ? [] : [not])].flatMap(numberColumns);
  return [
    ...new Set([
      ...(column !== undefined && values.some((each) => typeof each === 'number') ? [column] : []),
      ...below,
    ]),
  ];
}
