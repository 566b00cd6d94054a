import { problemLine, quoted, type Problem } from '../../core/errors.js';
import type { EncodedField } from '../../features/feature.js';
import { SPLITS, type DataOptions, type Split } from '../options.js';
import type { BadRow, RejectPolicy } from '../rows/rejects.js';
import type { EncodedBatch } from '../rows/row-collector.js';
import { encodedFormat, type EncodedFormat, type RowFormat } from '../rows/row-format.js';
import { countLeftOut, type LeftOut } from '../rows/row-rule.js';
import type { Fitted } from '../../features/feature-types.js';
import type { Access } from '../sources/source.js';
import { openData, type OpenedData } from '../sources/splits.js';
import { oneClassNotice } from '../batches/label-notices.js';
import { driftOf } from './drift.js';
import { aucOfRates, LEAK_AUC } from './leak.js';
import type { Tally } from './tally.js';
import { vectorDrift } from './vector-tally.js';
import { classifications, createSplitCounter, taskSums, type SplitCounts } from './split-counts.js';

/** What is known of some data. JSON. */
export interface DataDescription {
  readonly splits: readonly SplitDescription[];
  readonly fields: readonly FieldDescription[];
  /** The first rows that could not be read. */
  readonly badRows: readonly Problem[];
  /** What is likely to be wrong, a line each. */
  readonly warnings: readonly string[];
}

/** The rows of a split. */
export interface SplitDescription {
  readonly split: Split;
  readonly rows: number;
  /** That could not be read. */
  readonly badRows: number;
  readonly leftOut: Readonly<Record<string, number>>;
  /** By task: the rows that it has, and the mean of its labels there, which is the rate of a classification. */
  readonly tasks: Readonly<Record<string, { readonly rows: number; readonly mean: number }>>;
}

/** A field. Shares are of rows, by split. */
export interface FieldDescription {
  readonly name: string;
  readonly kind: 'id' | 'number' | 'bag' | 'vector';
  /** Different values on train as the model gets them: ids, items of bags, or numbers. Missing for vectors. */
  readonly values?: number;
  /** Whether a number has more values than are counted. */
  readonly hasMoreValues?: true;
  /**
   * Of vectors, as the model gets them: the numbers of each, their mean by split, and the mean of their Euclidean
   * lengths.
   */
  readonly vectors?: { readonly length: number; readonly mean: BySplit; readonly norm: BySplit };
  readonly blanks: BySplit;
  /** Ids, or items of bags, that are the unknown. */
  readonly unknown: BySplit;
  /**
   * The population stability index against train; of vectors, the mean of those of their places, or of 16 of them.
   * Missing for a part of a date that a
   * split does not have all values of, such as a weekday in a split of one day.
   */
  readonly drift: BySplit;
  /** By classification: the AUC of the rates of its values alone. */
  readonly auc: Readonly<Record<string, number>>;
}
type BySplit = { readonly [S in Split]?: number };

/** From here on a split is another population. */
const DRIFT = 0.25;
/** Unknown ids that are told. */
const UNKNOWN = 0.2;
/** Bad rows that are told one by one. */
const MAX_TOLD = 5;

/**
 * Describes the data of a config, in one pass over the rows of each split: what was read of it is what training would
 * read.
 * @throws UserError (data) for files that cannot be read; bad rows are counted
 */
export async function describeData(data: DataOptions, format: RowFormat, access: Access): Promise<DataDescription> {
  return (await describeSources(await openData(data, format), format, access)).description;
}

/** How the rows of opened sources are described. */
export interface DescribeOptions extends Access {
  /** Is told every invalid row, besides being counted. */
  readonly policy?: RejectPolicy;
  /** Changes what was learned on the training set. */
  readonly grow?: (learned: Fitted) => Fitted;
  /** Sees the rows of each split as they pass. */
  readonly see?: (split: Split, rows: EncodedBatch) => void;
}

/** The description of some rows, and the format that they were encoded by. */
export interface DescribedRows {
  readonly description: DataDescription;
  readonly encoded: EncodedFormat;
}

/**
 * Describes the rows of sources that were opened.
 * @throws UserError (data) as reading them does
 */
export async function describeSources(
  sources: OpenedData,
  format: RowFormat,
  { policy: told, grow = (learned) => learned, see, ...access }: DescribeOptions,
): Promise<DescribedRows> {
  const badRows: Problem[] = [];
  const encoded = encodedFormat(
    format,
    grow(await sources.train.fit(format, { ...access, policy: countingPolicy(told) })),
  );
  const columns = [...new Set(encoded.fields.flatMap((field) => field.columns))];
  const splits: SplitDescription[] = [];
  const counts = new Map<Split, SplitCounts>();
  for (const split of SPLITS) {
    const source = sources[split];
    if (source === undefined) continue;
    const own = countingPolicy(told);
    const counter = createSplitCounter(encoded, columns);
    const leftOut = new Map<string, number>();
    for await (const rows of source.stream(encoded, columns, { ...access, policy: own })) {
      see?.(split, rows);
      counter.add(rows);
      countLeftOut(leftOut, rows.leftOut);
    }
    counts.set(split, counter.counts);
    splits.push(describeSplit(split, counter.counts, own.count, leftOut));
    for (const { path, line, column, value, expected, cure } of own.first) {
      const found = value === undefined ? '' : `, found ${quoted(value)}`;
      badRows.push({
        where: `${path}:${line}`,
        ...(column !== undefined && { key: `column '${column}'` }),
        message: `invalid row: expected ${expected}${found}`,
        ...(cure !== undefined && { fix: cure }),
      });
    }
  }
  const fields = encoded.fields.map((field): FieldDescription =>
    field.vectorRule === undefined
      ? describeField(field, counts, encoded)
      : describeVectors(field.name, field.columns, field.vectorRule.length, counts),
  );
  const warnings = [...badRows.map(problemLine), ...oneClassTasks(splits, encoded), ...fields.flatMap(warningsOf)];
  return { description: { splits, fields, badRows, warnings }, encoded };
}

/** What is told of classifications that have one class on train. */
function oneClassTasks(splits: readonly SplitDescription[], format: EncodedFormat): readonly string[] {
  return classifications(format).flatMap(({ name }) => {
    const train = splits.find(({ split }) => split === 'train')?.tasks[name];
    const notice = train && oneClassNotice(name, train.rows, train.mean);
    return notice === undefined ? [] : [notice];
  });
}

function describeSplit(
  split: Split,
  { rows, tasks }: SplitCounts,
  badRows: number,
  leftOut: LeftOut,
): SplitDescription {
  return {
    split,
    rows,
    badRows,
    leftOut: Object.fromEntries(leftOut),
    tasks: Object.fromEntries(
      [...tasks].map(([name, { rows: own, sum }]) => [name, { rows: own, mean: own === 0 ? 0 : sum / own }]),
    ),
  };
}

function describeField(
  { name, kind, columns, direct, rule }: EncodedField,
  counts: ReadonlyMap<Split, SplitCounts>,
  format: EncodedFormat,
): FieldDescription {
  const tallyOf = (split: Split) => counts.get(split)?.tallies.get(name);
  const train = tallyOf('train')!;
  const held = tallyOf('valid') ?? tallyOf('test');
  const aucs =
    held === undefined || kind === 'bag'
      ? []
      : classifications(format).flatMap((task, i) => {
          const auc = aucOfRates(train, held, taskSums(i));
          return auc === undefined ? [] : [[task.name, auc] as const];
        });
  return {
    name,
    kind,
    ...countValues(name, train, counts.get('train')!),
    blanks: blanksOf(name, columns, counts),
    // A cell that is an id already may be a 0 with a meaning of its own.
    unknown:
      kind === 'number' || direct?.cell === 'id'
        ? {}
        : bySplit(counts, (split) =>
            tallyOf(split)!.total === 0 ? undefined : tallyOf(split)!.count(0) / tallyOf(split)!.total,
          ),
    drift: bySplit(counts, (split) =>
      split === 'train' || !isComparable(train, tallyOf(split)!, rule) ? undefined : driftOf(train, tallyOf(split)!),
    ),
    auc: Object.fromEntries(aucs),
  };
}

/** The values of a field on train. */
function countValues(
  name: string,
  train: Tally,
  { numbers }: SplitCounts,
): Pick<FieldDescription, 'values' | 'hasMoreValues'> {
  const distinct = numbers.get(name);
  // A number between the rows of a table is counted by these.
  if (distinct === undefined || distinct.count === 0) return { values: train.keys.length };
  return { values: distinct.count, ...(distinct.hasMore && { hasMoreValues: true }) };
}

/**
 * Whether the values of a split can drift: weekdays, days and months of a shorter split differ from those of train by
 * themselves.
 */
function isComparable(train: Tally, other: Tally, rule: EncodedField['rule']): boolean {
  return rule?.kind !== 'time' || train.keys.every((key) => key === 0 || other.count(key) > 0);
}

function describeVectors(
  name: string,
  columns: readonly string[],
  length: number,
  counts: ReadonlyMap<Split, SplitCounts>,
): FieldDescription {
  const tallyOf = (found: SplitCounts) => found.vectors.get(name)!;
  const train = tallyOf(counts.get('train')!);
  return {
    name,
    kind: 'vector',
    vectors: {
      length,
      mean: bySplit(counts, (_, found) => tallyOf(found).mean),
      norm: bySplit(counts, (_, found) => tallyOf(found).norm),
    },
    blanks: blanksOf(name, columns, counts),
    unknown: {},
    drift: bySplit(counts, (split, found) => (split === 'train' ? undefined : vectorDrift(train, tallyOf(found)))),
    auc: {},
  };
}

function bySplit(
  counts: ReadonlyMap<Split, SplitCounts>,
  of: (split: Split, found: SplitCounts) => number | undefined,
): BySplit {
  return Object.fromEntries(
    [...counts].flatMap(([split, found]) => {
      const value = of(split, found);
      return value === undefined ? [] : [[split, value]];
    }),
  );
}

/** Shares of rows with an empty cell, of a field of one column. */
function blanksOf(name: string, columns: readonly string[], counts: ReadonlyMap<Split, SplitCounts>): BySplit {
  return columns.length > 1
    ? {}
    : bySplit(counts, (_, found) => (found.rows === 0 ? undefined : (found.blanks.get(name) ?? 0) / found.rows));
}

function warningsOf({ name, auc, drift, unknown, values }: FieldDescription): readonly string[] {
  const splitsWith = (found: BySplit, least: number) =>
    SPLITS.filter((split) => (found[split] ?? 0) >= least)
      .map((split) => `${found[split]!.toFixed(2)} on ${split}`)
      .join(', ');
  const unknowns = splitsWith(unknown, UNKNOWN);
  const drifts = splitsWith(drift, DRIFT);
  return [
    ...Object.entries(auc)
      .filter(([, found]) => found >= LEAK_AUC)
      .map(
        ([task, found]) =>
          `field '${name}' alone predicts ${task} with an AUC of ${found.toFixed(4)}: it may leak the label; ` +
          'remove it unless it is known at prediction time',
      ),
    ...(unknowns === ''
      ? []
      : [`field '${name}': an out-of-vocabulary share of ${unknowns}; the model has not learned these values`]),
    ...(drifts === ''
      ? []
      : [
          `field '${name}' drifts from the training set: population stability index ${drifts}; above ${DRIFT} ` +
            'is a different population',
        ]),
    ...(values === 1 ? [`field '${name}' has a single value in the training set; remove it`] : []),
  ];
}

/** Bad rows are counted, and the first of them kept; another policy is told all of them. */
function countingPolicy(told: RejectPolicy | undefined): RejectPolicy & { readonly first: readonly BadRow[] } {
  const first: BadRow[] = [];
  let count = 0;
  return {
    first,
    ...(told?.reasons !== undefined && { reasons: told.reasons }),
    get count() {
      return count;
    },
    reject(row) {
      if (++count <= MAX_TOLD) first.push(row);
      told?.reject(row);
    },
  };
}
