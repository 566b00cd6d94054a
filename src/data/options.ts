import { z } from 'zod';
import { columnName, conditionSchema, limitSchema } from '../conditions.js';
import { readDate } from '../dates.js';
import { cellShape } from '../features/cells.js';
import type { Finding } from '../part.js';
import { dialectShape } from './dialect.js';
import { samplingOptions } from './sampling-options.js';

/** The parts of a data set. */
export const SPLITS = ['train', 'valid', 'test'] as const;
export type Split = (typeof SPLITS)[number];

const path = z.string().min(1);
const paths = z.union([path, z.array(path).min(1)]);
/** Where rows come from: files, folders or globs, one or several. */
export type Paths = string | readonly string[];

const from = limitSchema.describe('the first date, or number, of the part');
const to = limitSchema.optional().describe('the last one, all of that day where no time is given');
const later = (what: string) => z.strictObject({ from, to }).optional().describe(`which rows are ${what}; there is none where it is not given`);
const share = z.number().gt(0).lt(1).optional();
const noneWithout = 'there is none where it is not given';
const shares = z.strictObject({ train: share.describe('what is left where it is not given'), valid: share.describe(noneWithout), test: share.describe(noneWithout) }).describe('of the rows, or of the values of the column');
const seed = z.int().min(0).max(2 ** 32 - 1).default(0).describe('decides which rows are in which part');

/** How the rows of one source are divided. */
export const splitOptions = z
  .discriminatedUnion('by', [
    z.strictObject({
      by: z.literal('date'),
      column: columnName.describe('a column of dates, or of numbers that grow with time'),
      train: z.strictObject({ from: from.optional(), to }).optional().describe('all before valid and test where it is not given'),
      valid: later('valid'),
      test: later('test'),
    }),
    z.strictObject({ by: z.literal('key'), column: columnName.describe('all rows with the same cell here are in the same part'), shares, seed }),
    z.strictObject({ by: z.literal('share'), shares, seed }),
  ])
  .describe('how the rows of source are divided into train, valid and test');
export type SplitOptions = z.output<typeof splitOptions>;

/** The `data` section of a config. */
export const dataOptions = z
  .strictObject({
    train: paths.optional().describe('CSV or JSON Lines, plain or in gzip or zstd, or Parquet: a file, a folder of files or of partitions (ds=2026-11-01), a glob, or a list of these; or a folder of shards. Paths are taken from the folder of the config, else from the working directory'),
    valid: paths.optional().describe('measured after every epoch; the best epoch is chosen by it'),
    test: paths.optional().describe('measured once, with the best weights'),
    source: paths.optional().describe('in place of train, valid and test: where all rows come from, with split'),
    split: splitOptions.optional(),
    where: conditionSchema.optional().describe('rows of which this does not hold are left out, of train, valid and test; mtl predict leaves none out'),
    ...dialectShape,
    ...cellShape,
    sampling: samplingOptions.optional(),
    cache: path.optional().describe('folder for encoded rows, so that a file is read once; .mtl beside the data where it is not given'),
    onBadRow: z.enum(['error', 'skip']).default('error').describe('skip writes bad rows to rejects.csv with their reasons'),
    maxRejects: z.int().min(0).default(1000).describe('with onBadRow skip: more bad rows than this are an error'),
  })
  .describe('where the rows come from');
export type DataOptions = z.output<typeof dataOptions>;

/** What each part of a data set is read from; those that there are. */
export function splitFilesOf({ train, valid, test, source, split }: DataOptions): { readonly train: Paths; readonly valid: Paths | undefined; readonly test: Paths | undefined } {
  if (source === undefined || split === undefined) return { train: train ?? [], valid, test };
  const has = (part: 'valid' | 'test'): Paths | undefined => ((split.by === 'date' ? split : split.shares)[part] === undefined ? undefined : source);
  return { train: source, valid: has('valid'), test: has('test') };
}

/** What the keys of the section say together that cannot be. */
export function* checkData({ train, valid, test, source, split }: DataOptions): Generator<Finding> {
  if (source === undefined) {
    if (train === undefined) yield { path: ['train'], message: 'is missing; expected a text or a list, or source with split' };
    if (split !== undefined) yield { path: ['split'], message: 'divides the rows of source, which is missing' };
    return;
  }
  if (split === undefined) yield { path: ['split'], message: 'is missing: source needs it, as in { by: key, column: user_id, shares: { valid: 0.1, test: 0.1 } }' };
  for (const [key, paths] of Object.entries({ train, valid, test })) {
    if (paths !== undefined) yield { path: [key], message: 'is given by source and split; leave out either' };
  }
  if (split !== undefined) yield* split.by === 'date' ? checkRanges(split) : checkShares(split.shares);
}

function* checkShares({ train = 0, valid, test }: (SplitOptions & { readonly by: 'key' })['shares']): Generator<Finding> {
  const sum = train + (valid ?? 0) + (test ?? 0);
  if (valid === undefined && test === undefined) yield { path: ['split', 'shares'], message: 'expected a share of valid or test, as in { valid: 0.1, test: 0.1 }' };
  if (sum > 1 + 1e-9 || (train === 0 && sum > 1 - 1e-9)) yield { path: ['split', 'shares'], message: `expected shares that are 1 together at the most and leave something to train, found ${sum}` };
}

function* checkRanges({ train, valid, test }: SplitOptions & { readonly by: 'date' }): Generator<Finding> {
  if (valid === undefined && test === undefined) yield { path: ['split'], message: 'expected valid or test, as in valid: { from: 2026-11-01, to: 2026-11-07 }' };
  const ranges = Object.entries({ train, valid, test }).flatMap(([name, range]) => (range === undefined ? [] : [{ name, ...range }]));
  const isDate = new Set(ranges.flatMap(({ from: first, to: last }) => [first, last].filter((each) => each !== undefined).map((each) => typeof each === 'string')));
  if (isDate.size > 1) yield { path: ['split'], message: 'expected either dates or numbers, found both' };
  const inOrder = ranges.map(({ name, from: first, to: last }) => ({ name, begin: first === undefined ? -Infinity : beginOf(first), end: last === undefined ? Infinity : endOf(last) })).sort((a, b) => a.begin - b.begin);
  for (const [i, { name, begin, end }] of inOrder.entries()) {
    if (end <= begin) yield { path: ['split', name], message: 'ends before it begins' };
    const next = inOrder[i + 1];
    if (next !== undefined && end > next.begin) yield { path: ['split', next.name], message: `begins before ${name} has ended; a row would be in both: give ${name} a to, or another one` };
  }
}

const beginOf = (limit: string | number): number => (typeof limit === 'string' ? readDate(limit)!.begin : limit);
/** The first moment behind a last one. */
function endOf(limit: string | number): number {
  if (typeof limit === 'number') return limit + Math.max(Math.abs(limit) * Number.EPSILON, Number.MIN_VALUE);
  const { begin, end } = readDate(limit)!;
  return end > begin ? end : begin + 1;
}
