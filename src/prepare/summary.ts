import type { FieldPlan } from './fields.js';
import type { ShardAbout } from './jobs/write-shard.js';
import type { ParsedSplit } from './parse.js';
import type { Assignment, Vocabulary } from './vocabulary.js';
import { total } from './shards.js';
import type { RawSplit } from './work.js';

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

/** Content of `summary.json`. */
export interface Summary {
  readonly splits: Readonly<Record<string, SplitSummary>>;
  readonly fields: Readonly<Record<string, FieldSummary>>;
  readonly dropped: Readonly<Record<RawSplit, DropSummary>>;
  /** Input files and options. */
  readonly plan: unknown;
}

/** A raw split and the assignment of its sessions. */
interface RawSource {
  readonly parsed: ParsedSplit;
  readonly assignment: Assignment;
}

/** Summarizes the metadata of all parts. */
export function summarize(
  plan: unknown,
  fields: readonly FieldPlan[],
  sources: Readonly<Record<RawSplit, RawSource>>,
  vocabularies: readonly Vocabulary[],
  shards: Readonly<Record<string, readonly ShardAbout[]>>,
): Summary {
  const splits = Object.entries(shards);
  const rate = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole);
  const bySplit = <Value>(value: (list: readonly ShardAbout[]) => Value): Record<string, Value> =>
    Object.fromEntries(splits.map(([split, list]) => [split, value(list)]));
  return {
    splits: bySplit((list) => {
      const [rows, clicks, purchases] = [
        total(list, (s) => s.rows),
        total(list, (s) => s.clicks),
        total(list, (s) => s.purchases),
      ];
      return { rows, clicks, purchases, clickRate: rate(clicks, rows), purchaseRate: rate(purchases, clicks) };
    }),
    fields: Object.fromEntries(
      fields.map(({ name, minCount, cap }, f) => {
        const known = (list: readonly ShardAbout[]): number => total(list, (s) => s.known[f]!);
        return [
          name,
          {
            vocabulary: vocabularies[f]!.ids.length - 1,
            distinct: vocabularies[f]!.distinct,
            minCount,
            cap,
            coverage: bySplit((list) => rate(known(list), known(list) + total(list, (s) => s.unknown[f]!))),
            missing: bySplit((list) => total(list, (s) => s.missing[f]!)),
            cut: countCuts(name, sources),
          },
        ];
      }),
    ),
    dropped: { train: countDrops(sources.train), test: countDrops(sources.test) },
    plan,
  };
}

function countDrops({ parsed: { common, skeleton, repeated }, assignment: { rows } }: RawSource): DropSummary {
  return {
    purchasesWithoutClick: skeleton.reduce((sum, { about }) => sum + about.purchasesWithoutClick, 0),
    badRows: [...common, ...skeleton].reduce((sum, { about }) => sum + about.bad.length, 0),
    unusedCommonRows: rows.reduce((unused, count) => unused + (count === 0 ? 1 : 0), 0),
    repeatedCommonRows: repeated,
  };
}

function countCuts(field: string, sources: Readonly<Record<RawSplit, RawSource>>): FieldSummary['cut'] {
  const files = Object.entries(sources).flatMap(([split, { parsed }]) => [
    [`common_features_${split}`, parsed.common] as const,
    [`sample_skeleton_${split}`, parsed.skeleton] as const,
  ]);
  const cuts = files.map(([file, parts]) => {
    const own = parts.flatMap(({ about }) => about.cuts[field] ?? []);
    return [
      file,
      { rows: own.reduce((sum, { rows }) => sum + rows, 0), values: own.reduce((sum, { values }) => sum + values, 0) },
    ] as const;
  });
  return Object.fromEntries(cuts.filter(([, { rows }]) => rows > 0));
}
