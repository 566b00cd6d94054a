import { problemLine, type Problem } from '../../core/errors.js';
import type { EncodedField } from '../../features/feature.js';
import { holdsNumbers, listStorage } from '../../features/kinds/kinds.js';
import type { Fitted } from '../../features/feature-types.js';
import { SPLITS, type DataOptions, type Split } from '../options.js';
import { badRowProblem, countLeftOut, observing, type BadRow, type RejectPolicy } from '../rows/rejects.js';
import type { EncodedBatch } from '../rows/row-collector.js';
import { encodedFormat, createRowFormat, type EncodedFormat, type RowFormat } from '../rows/row-format.js';
import type { Access } from '../sources/source.js';
import { openData, type OpenedData } from '../sources/splits.js';
import { oneClassNotice } from '../batches/label-notices.js';
import { computeDrift, computeVectorDrift } from './drift.js';
import { computeRateAuc, LEAK_AUC } from './leak.js';
import type { SequenceLengths } from './sequence-lengths.js';
import { classifications, SplitCounts } from './split-counts.js';
import type { Tally } from './tally.js';

/** Description of a data set. JSON. */
export interface DataDescription {
  readonly splits: readonly SplitDescription[];
  readonly fields: readonly FieldDescription[];
  readonly sequences: readonly SequenceDescription[];
  /** The first invalid rows. */
  readonly badRows: readonly Problem[];
  readonly warnings: readonly string[];
}

/** Description of the rows of a split. */
export interface SplitDescription {
  readonly split: Split;
  readonly rows: number;
  /** Number of invalid rows. */
  readonly badRows: number;
  /** Number of excluded rows, by reason. */
  readonly leftOut: Readonly<Record<string, number>>;
  /** Rows and mean label by task; the mean of a classification is its positive rate. */
  readonly tasks: Readonly<Record<string, { readonly rows: number; readonly mean: number }>>;
}

/** Description of a field. Shares are of rows, by split. */
export interface FieldDescription {
  readonly name: string;
  readonly kind: EncodedField['kind'];
  /** Number of distinct encoded values in the training set: ids, bag items, or numbers. Absent for vectors. */
  readonly values?: number;
  /** Whether there are more distinct numbers than are counted. */
  readonly hasMoreValues?: true;
  /** Encoded vectors: their length, and by split the mean of all elements and of the Euclidean norms. */
  readonly vectors?: { readonly length: number; readonly mean: BySplit; readonly norm: BySplit };
  readonly blanks: BySplit;
  /** Share of out-of-vocabulary ids, in bags of items. */
  readonly unknown: BySplit;
  /**
   * Population stability index against the training set; for vectors, the mean of up to 16 elements. Absent for a part
   * of a date of which a split lacks values, such as a weekday in a split of one day.
   */
  readonly drift: BySplit;
  /** AUC of the label rates of its values alone, by classification. */
  readonly auc: Readonly<Record<string, number>>;
}
/** Description of a sequence. */
export interface SequenceDescription {
  readonly name: string;
  /** Maximum number of items per row, which `keep` sets. */
  readonly maxItems: number;
  readonly lengths: { readonly [S in Split]?: SequenceLengths };
}

type BySplit = { readonly [S in Split]?: number };
type CountsBySplit = ReadonlyMap<Split, SplitCounts>;

/** Minimum population stability index of another population. */
const MIN_DRIFT = 0.25;
/** Minimum share of out-of-vocabulary ids that is reported. */
const MIN_UNKNOWN = 0.2;
/** Maximum number of invalid rows per split that are reported one by one. */
const MAX_LISTED_ROWS = 5;

/**
 * Describes the data of a config in one pass over the rows of each split, as training reads them.
 * @throws UserError (data) for files that cannot be read; invalid rows are counted
 */
export async function describeData(data: DataOptions, format: RowFormat, access: Access): Promise<DataDescription> {
  return (await describeSources(await openData(data, format), format, access)).description;
}

export interface DescribeOptions extends Access {
  /** Receives the invalid rows, which are counted too. */
  readonly policy?: RejectPolicy;
  /** Changes the fitted parameters. */
  readonly grow?: (fitted: Fitted) => Fitted;
  /** Receives the rows of each split. */
  readonly see?: (split: Split, rows: EncodedBatch) => void;
}

/** Description of rows, and the format that encoded them. */
export interface DescribedRows {
  readonly description: DataDescription;
  readonly encoded: EncodedFormat;
}

/**
 * Describes the rows of opened sources.
 * @throws UserError (data) as reading them does
 */
export async function describeSources(
  sources: OpenedData,
  format: RowFormat,
  { policy = ignoring, grow = (fitted) => fitted, see, ...access }: DescribeOptions,
): Promise<DescribedRows> {
  const fitted = await sources.train.fit(format, { ...access, policy });
  const grown = grow(fitted);
  const encoded = encodedFormat(format, grown);
  const counted = encodedFormat(createRowFormat({ ...format.spec, countsItems: true }), grown);
  const columns = [...new Set(encoded.fields.flatMap((field) => field.columns))];
  const badRows: Problem[] = [];
  const splits: SplitDescription[] = [];
  const counts = new Map<Split, SplitCounts>();
  for (const split of SPLITS) {
    const source = sources[split];
    if (source === undefined) continue;
    const rejects: BadRow[] = [];
    let numRejects = 0;
    const counting = observing(policy, (row) => {
      if (++numRejects <= MAX_LISTED_ROWS) rejects.push(row);
    });
    const own = new SplitCounts(encoded, columns);
    const leftOut = new Map<string, number>();
    for await (const rows of source.stream(counted, columns, { ...access, policy: counting, keepsItems: false })) {
      see?.(split, rows);
      own.add(rows);
      countLeftOut(leftOut, rows.leftOut);
    }
    counts.set(split, own);
    const tasks = [...own.tasks].map(([name, { rows, sum }]) => [name, { rows, mean: rows === 0 ? 0 : sum / rows }]);
    splits.push({
      split,
      rows: own.rows,
      badRows: numRejects,
      leftOut: Object.fromEntries(leftOut),
      tasks: Object.fromEntries(tasks) as SplitDescription['tasks'],
    });
    badRows.push(...rejects.map(describeBadRow));
  }
  const fields = encoded.fields.map((field) => describeField(field, counts, encoded));
  const sequences = counts.get('train')!.lengths.sequences.map((sequence) => describeSequence(sequence, counts));
  const warnings = [...badRows.map(problemLine), ...warnOneClass(splits, encoded), ...fields.flatMap(warnField)];
  return { description: { splits, fields, sequences, badRows, warnings }, encoded };
}

function describeSequence(
  { name, maxItems }: Pick<SequenceDescription, 'name' | 'maxItems'>,
  counts: CountsBySplit,
): SequenceDescription {
  return { name, maxItems, lengths: bySplit(counts, ({ lengths }) => lengths.lengthsOf(name)) };
}

function describeBadRow(row: BadRow): Problem {
  const problem = badRowProblem(row);
  return { ...problem, message: `invalid row: ${problem.message}` };
}

/** Warns of classifications with one class in the training set. */
function warnOneClass(splits: readonly SplitDescription[], format: EncodedFormat): readonly string[] {
  const tasks = splits.find(({ split }) => split === 'train')?.tasks ?? {};
  return classifications(format).flatMap(({ name }) => {
    const train = tasks[name];
    return (train && oneClassNotice(name, train.rows, train.mean)) ?? [];
  });
}

function describeField(field: EncodedField, counts: CountsBySplit, format: EncodedFormat): FieldDescription {
  const { name, kind, columns, computed, vector } = field;
  const blanks =
    columns.length > 1 || computed !== undefined
      ? {}
      : bySplit(counts, ({ rows, nulls }) => (rows === 0 ? undefined : (nulls.get(name) ?? 0) / rows));
  const {
    unknown = {},
    drift,
    auc = {},
    ...others
  } = vector !== undefined ? describeVectors(name, vector.rule.length, counts) : describeValues(field, counts, format);
  return { name, kind, ...others, blanks, unknown, drift, auc };
}

type Described = Pick<FieldDescription, 'drift'> & Partial<FieldDescription>;

function describeValues(field: EncodedField, counts: CountsBySplit, format: EncodedFormat): Described {
  const { name, direct, rule } = field;
  const isList = listStorage(field) !== undefined;
  const train = counts.get('train')!;
  const tally = train.tallies.get(name)!;
  const other = (counts.get('valid') ?? counts.get('test'))?.tallies.get(name);
  const aucs = classifications(format).flatMap((task, t) => {
    const auc = other === undefined || isList ? undefined : computeRateAuc(tally, other, t);
    return auc === undefined ? [] : [[task.name, auc] as const];
  });
  const numbers = train.numbers.get(name);
  // Id 0 of an id in digits may have a meaning of its own.
  const hasUnknown = !holdsNumbers(field) && direct?.cell !== 'id';
  return {
    values: numbers?.count ?? tally.keys.length,
    ...(numbers?.hasMore === true && { hasMoreValues: true }),
    unknown: bySplit(counts, ({ tallies }) => {
      const own = tallies.get(name)!;
      return hasUnknown && own.total > 0 ? own.count(0) / own.total : undefined;
    }),
    drift: bySplit(counts, ({ tallies }, split) =>
      split === 'train' || !isComparable(tally, tallies.get(name)!, rule)
        ? undefined
        : computeDrift(tally, tallies.get(name)!),
    ),
    auc: Object.fromEntries(aucs),
  };
}

/** Returns whether the values of a split can drift: the weekdays, days and months of a shorter split always differ. */
function isComparable(train: Tally, other: Tally, rule: EncodedField['rule']): boolean {
  return rule?.kind !== 'time' || train.keys.every((key) => key === 0 || other.count(key) > 0);
}

function describeVectors(name: string, length: number, counts: CountsBySplit): Described {
  const train = counts.get('train')!.vectors.get(name)!;
  return {
    vectors: {
      length,
      mean: bySplit(counts, ({ vectors }) => vectors.get(name)!.mean),
      norm: bySplit(counts, ({ vectors }) => vectors.get(name)!.norm),
    },
    drift: bySplit(counts, ({ vectors }, split) =>
      split === 'train' ? undefined : computeVectorDrift(train, vectors.get(name)!),
    ),
  };
}

function bySplit<Value>(
  counts: CountsBySplit,
  compute: (own: SplitCounts, split: Split) => Value | undefined,
): { readonly [S in Split]?: Value } {
  return Object.fromEntries(
    [...counts].flatMap(([split, own]) => {
      const value = compute(own, split);
      return value === undefined ? [] : [[split, value]];
    }),
  );
}

function warnField({ name, auc, drift, unknown, values }: FieldDescription): readonly string[] {
  const listSplits = (found: BySplit, min: number): string =>
    SPLITS.filter((split) => (found[split] ?? 0) >= min)
      .map((split) => `${found[split]!.toFixed(2)} on ${split}`)
      .join(', ');
  const unknowns = listSplits(unknown, MIN_UNKNOWN);
  const drifts = listSplits(drift, MIN_DRIFT);
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
          `field '${name}' drifts from the training set: population stability index ${drifts}; above ${MIN_DRIFT} ` +
            'is a different population',
        ]),
    ...(values === 1 ? [`field '${name}' has a single value in the training set; remove it`] : []),
  ];
}

/** Accepts all invalid rows. */
const ignoring: RejectPolicy = { count: 0, reject: () => undefined };
