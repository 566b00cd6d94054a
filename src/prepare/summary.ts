import type { Assignment } from './assign-rows.js';
import type { FieldPlan } from './fields.js';
import type { ParsedSplit } from './parse.js';
import { sum, type ShardAbout, type Split } from './shards.js';
import type { Vocabulary } from './vocabulary.js';
import { RAW_SPLITS, type RawSplit } from './work.js';

/** Content of a prepared split. */
export interface SplitSummary {
  readonly rows: number;
  readonly clicks: number;
  readonly purchases: number;
  /** Clicks per row, and purchases per click; null if the divisor is 0. */
  readonly clickRate: number | null;
  readonly purchaseRate: number | null;
}

/** Preparation result of a field. */
export interface FieldSummary {
  /** Vocabulary size without the OOV id. */
  readonly vocabulary: number;
  /** Number of distinct raw ids in the training set. */
  readonly distinct: number;
  readonly minCount: number;
  readonly cap: number;
  /** Fraction of values in the vocabulary, by split; null if there are no values. */
  readonly coverage: Readonly<Record<string, number | null>>;
  /** Rows without a value, by split. */
  readonly missing: Readonly<Record<string, number>>;
  /** Rows with more values than the cap, and dropped values, by raw file. */
  readonly cut: Readonly<Record<string, { readonly rows: number; readonly values: number }>>;
}

/** Dropped rows of a raw split. */
export interface DropSummary {
  readonly purchasesWithoutClick: number;
  readonly badRows: number;
  /** Rows of common features that no skeleton row refers to, and rows with a repeated index. */
  readonly unusedCommonRows: number;
  readonly repeatedCommonRows: number;
}

export interface Summary {
  readonly splits: Readonly<Record<string, SplitSummary>>;
  readonly fields: Readonly<Record<string, FieldSummary>>;
  readonly dropped: Readonly<Record<RawSplit, DropSummary>>;
  /** Input files and options. */
  readonly plan: unknown;
}

/** Summarizes the metadata of all parts. */
export function summarize(
  plan: unknown,
  fields: readonly FieldPlan[],
  parsed: Readonly<Record<RawSplit, ParsedSplit>>,
  assigned: Readonly<Record<RawSplit, Assignment>>,
  vocabularies: readonly Vocabulary[],
  shards: Readonly<Record<Split, readonly ShardAbout[]>>,
): Summary {
  const bySplit = <Value>(value: (list: readonly ShardAbout[]) => Value): Record<string, Value> =>
    Object.fromEntries(Object.entries(shards).map(([split, list]) => [split, value(list)]));
  const fieldSummary = ({ name, isBag, minCount, cap }: FieldPlan, f: number): FieldSummary => {
    const missing = (list: readonly ShardAbout[]): number => sum(list, (shard) => shard.missing[name]!);
    // A bag without items has no id.
    const values = (list: readonly ShardAbout[]): number =>
      sum(list, ({ ids }) => ids[name]!.ids) - (isBag ? 0 : missing(list));
    const known = (list: readonly ShardAbout[]): number => sum(list, ({ ids }) => ids[name]!.ids - ids[name]!.unknown);
    return {
      vocabulary: vocabularies[f]!.ids.length - 1,
      distinct: vocabularies[f]!.distinct,
      minCount,
      cap,
      coverage: bySplit((list) => rate(known(list), values(list))),
      missing: bySplit(missing),
      cut: countCuts(name, parsed),
    };
  };
  return {
    splits: bySplit(summarizeSplit),
    fields: Object.fromEntries(fields.map((field, f) => [field.name, fieldSummary(field, f)])),
    dropped: {
      train: countDrops(parsed.train, assigned.train),
      test: countDrops(parsed.test, assigned.test),
    },
    plan,
  };
}

function rate(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}

function summarizeSplit(shards: readonly ShardAbout[]): SplitSummary {
  const rows = sum(shards, ({ shard }) => shard.rows);
  const [clicks, purchases] = ['click', 'purchase'].map((label) => sum(shards, ({ labels }) => labels[label]!));
  return {
    rows,
    clicks: clicks!,
    purchases: purchases!,
    clickRate: rate(clicks!, rows),
    purchaseRate: rate(purchases!, clicks!),
  };
}

function countDrops({ common, skeleton, repeated }: ParsedSplit, { rows }: Assignment): DropSummary {
  return {
    purchasesWithoutClick: sum(skeleton, ({ about }) => about.purchasesWithoutClick),
    badRows: sum([...common, ...skeleton], ({ about }) => about.bad.length),
    unusedCommonRows: rows.reduce((unused, count) => unused + (count === 0 ? 1 : 0), 0),
    repeatedCommonRows: repeated,
  };
}

function countCuts(field: string, parsed: Readonly<Record<RawSplit, ParsedSplit>>): FieldSummary['cut'] {
  const files = RAW_SPLITS.flatMap((split) => [
    [`common_features_${split}`, parsed[split].common] as const,
    [`sample_skeleton_${split}`, parsed[split].skeleton] as const,
  ]);
  const cuts = files.map(([file, parts]) => {
    const own = parts.flatMap(({ about }) => about.cuts[field] ?? []);
    return [file, { rows: sum(own, ({ rows }) => rows), values: sum(own, ({ values }) => values) }] as const;
  });
  return Object.fromEntries(cuts.filter(([, { rows }]) => rows > 0));
}
