import { z } from 'zod';
import { columnName, conditionSchema, limitSchema } from '../core/conditions.js';
import { readDate } from '../text/dates.js';
import { cellShape } from '../features/cells.js';
import { issuesBelow, type ValidationIssue } from '../core/component.js';
import { checkCounters, countersOptions } from './counter-options.js';
import { checkSideDialects, dialectShape } from './dialect.js';
import { followOptions } from './follow-options.js';
import { checkJoin, joinOptions } from './join-options.js';
import { lookupsOptions } from './lookup-options.js';
import { checkSequences, fileLogs, sequencesOptions } from './sequence-options.js';
import { rowSeed, samplingOptions } from './sampling-options.js';

/** Splits of a data set. */
export const SPLITS = ['train', 'valid', 'test'] as const;
export type Split = (typeof SPLITS)[number];

const path = z.string().min(1);
const paths = z.union([path, z.array(path).min(1)]);
/** Files, directories or globs of rows. */
export type Paths = string | readonly string[];

const from = limitSchema.describe('First date or number, inclusive');
const to = limitSchema
  .optional()
  .describe('Last date or number, inclusive; a date without a time covers the whole day');
const later = (what: string) =>
  z.strictObject({ from, to }).optional().describe(`Range of the ${what}; default: no ${what}`);
const share = z.number().gt(0).lt(1).optional();
const shares = z
  .strictObject({
    train: share.describe('Fraction of the training set; default: the rest'),
    valid: share.describe('Fraction of the validation set; default: none'),
    test: share.describe('Fraction of the test set; default: none'),
  })
  .describe("Fractions of the rows, or of the column's values");
const seed = rowSeed.describe('Random seed of the split');

/** Rule that divides the rows of a source. */
export const splitOptions = z
  .discriminatedUnion('by', [
    z.strictObject({
      by: z.literal('date'),
      column: columnName.describe('Column of dates, or of numbers that grow with time'),
      train: z
        .strictObject({ from: from.optional(), to })
        .optional()
        .describe('Range of the training set; default: all before the validation and test sets'),
      valid: later('validation set'),
      test: later('test set'),
    }),
    z.strictObject({
      by: z.literal('key'),
      column: columnName.describe('Column whose rows with equal values stay in the same split'),
      shares,
      seed,
    }),
    z.strictObject({ by: z.literal('random'), shares, seed }),
  ])
  .describe('Rule that splits the source into training, validation and test sets');
export type SplitOptions = z.output<typeof splitOptions>;

/** The `data` section of a config. */
export const dataOptions = z
  .strictObject({
    train: paths
      .optional()
      .describe(
        'Training set: file, directory, glob or list; CSV, JSON Lines, Parquet or shards. With --follow, also a stream',
      ),
    valid: paths.optional().describe('Validation set, measured after each epoch to choose the best checkpoint'),
    test: paths.optional().describe('Test set, measured once with the best weights'),
    source: paths.optional().describe('Files of all rows, divided by split; replaces train, valid and test'),
    split: splitOptions.optional(),
    where: conditionSchema.optional().describe('Condition on rows to include in every split; mtl predict ignores it'),
    ...dialectShape,
    ...cellShape,
    negativeSampling: samplingOptions.optional(),
    counters: countersOptions.optional(),
    lookups: lookupsOptions.optional(),
    sequences: sequencesOptions.optional(),
    follow: followOptions.optional(),
    join: joinOptions.optional(),
    cache: path.optional().describe('Directory of the encoded-row cache; default: .mtl next to the data'),
    onBadRow: z
      .enum(['error', 'skip'])
      .default('error')
      .describe('Policy for invalid rows: error, or skip, which writes them to rejects.csv with reasons'),
    maxRejects: z.int().min(0).default(1000).describe('Maximum number of skipped rows before an error'),
  })
  .describe('Data files, format and splits');
export type DataOptions = z.output<typeof dataOptions>;

/** Returns the files of each split; undefined for a split that the data set lacks. */
export function listSplitFiles({ train, valid, test, source, split }: DataOptions): {
  readonly train: Paths;
  readonly valid: Paths | undefined;
  readonly test: Paths | undefined;
} {
  if (source === undefined || split === undefined) return { train: train ?? [], valid, test };
  const has = (part: 'valid' | 'test'): Paths | undefined =>
    (split.by === 'date' ? split : split.shares)[part] === undefined ? undefined : source;
  return { train: source, valid: has('valid'), test: has('test') };
}

/** Lists the paths that the cache may have entries of. */
export function cachedPaths({ sequences, ...data }: DataOptions): readonly Paths[] {
  const rows = ([...SPLITS, 'source'] as const).flatMap((key): readonly Paths[] => [data[key] ?? []]);
  return [...rows, ...Object.values(fileLogs(sequences)).map(({ file }) => file)];
}

/** Yields the issues of keys that conflict. */
export function* checkData({
  train,
  valid,
  test,
  source,
  split,
  counters,
  lookups,
  sequences,
  join,
}: DataOptions): Generator<ValidationIssue> {
  yield* issuesBelow(['counters'], counters && checkCounters(counters));
  yield* issuesBelow(['lookups'], lookups && checkSideDialects(lookups));
  yield* issuesBelow(['sequences'], sequences && checkSequences(sequences, join));
  yield* issuesBelow(['join'], join && checkJoin(join));
  if (source === undefined) {
    if (train === undefined)
      yield { path: ['train'], message: 'is missing; set it to a path or a list of paths, or set source and split' };
    if (split !== undefined) yield { path: ['split'], message: 'requires source; set source to the files to split' };
    return;
  }
  if (split === undefined)
    yield {
      path: ['split'],
      message:
        'is required with source; add it, for example { by: key, column: user_id, shares: { valid: 0.1, test: 0.1 } }',
    };
  for (const [key, paths] of Object.entries({ train, valid, test })) {
    if (paths !== undefined)
      yield { path: [key], message: 'cannot be combined with source and split; remove one of them' };
  }
  if (split !== undefined) yield* split.by === 'date' ? checkRanges(split) : checkShares(split.shares);
}

function* checkShares({
  train = 0,
  valid,
  test,
}: (SplitOptions & { readonly by: 'key' })['shares']): Generator<ValidationIssue> {
  const sum = train + (valid ?? 0) + (test ?? 0);
  if (valid === undefined && test === undefined)
    yield {
      path: ['split', 'shares'],
      message: 'has no fraction for valid or test; add one, for example { valid: 0.1, test: 0.1 }',
    };
  if (sum > 1 + 1e-9 || (train === 0 && sum > 1 - 1e-9))
    yield {
      path: ['split', 'shares'],
      message: `expected fractions with a sum of at most 1 and a part for train, found ${sum}`,
    };
}

function* checkRanges({ train, valid, test }: SplitOptions & { readonly by: 'date' }): Generator<ValidationIssue> {
  if (valid === undefined && test === undefined)
    yield {
      path: ['split'],
      message: 'has no range for valid or test; add one, for example valid: { from: 2026-11-01, to: 2026-11-07 }',
    };
  const ranges = Object.entries({ train, valid, test }).flatMap(([name, range]) =>
    range === undefined ? [] : [{ name, ...range }],
  );
  const isDate = new Set(
    ranges.flatMap(({ from: first, to: last }) =>
      [first, last].filter((each) => each !== undefined).map((each) => typeof each === 'string'),
    ),
  );
  if (isDate.size > 1) yield { path: ['split'], message: 'mixes dates and numbers; use one of them' };
  const inOrder = ranges
    .map(({ name, from: first, to: last }) => ({
      name,
      begin: first === undefined ? -Infinity : beginOf(first),
      end: last === undefined ? Infinity : endOf(last),
    }))
    .sort((a, b) => a.begin - b.begin);
  for (const [i, { name, begin, end }] of inOrder.entries()) {
    if (end <= begin) yield { path: ['split', name], message: 'ends before it begins; swap from and to' };
    const next = inOrder[i + 1];
    if (next !== undefined && end > next.begin)
      yield {
        path: ['split', next.name],
        message: `overlaps ${name}; set an earlier to for ${name}`,
      };
  }
}

const beginOf = (limit: string | number): number => (typeof limit === 'string' ? readDate(limit)!.begin : limit);
/** Returns the exclusive end of an inclusive limit. */
function endOf(limit: string | number): number {
  if (typeof limit === 'number') return limit + Math.max(Math.abs(limit) * Number.EPSILON, Number.MIN_VALUE);
  const { begin, end } = readDate(limit)!;
  return end > begin ? end : begin + 1;
}
