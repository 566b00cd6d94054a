import type { FieldPlan } from './fields.js';
import type { ShardAbout } from './jobs/write-shard.js';
import type { ParsedSplit } from './parse.js';
import type { Assignment, Vocabulary } from './vocabulary.js';
import { total } from './shards.js';
import type { RawSplit } from './work.js';

/** What is in a prepared split. */
export interface SplitSummary {
  readonly rows: number;
  readonly clicks: number;
  readonly purchases: number;
  /** Clicks of rows, purchases of clicks; null where there are none of them. */
  readonly clickRate: number | null;
  readonly purchaseRate: number | null;
}

/** What became of a field. */
export interface FieldSummary {
  /** Ids with a place of their own: without the unknown. */
  readonly vocabulary: number;
  /** Different raw ids in train. */
  readonly distinct: number;
  readonly minCount: number;
  readonly cap: number;
  /** By split: share of the values that the vocabulary has, null where there are none. */
  readonly coverage: Readonly<Record<string, number | null>>;
  /** By split: rows without a value. */
  readonly missing: Readonly<Record<string, number>>;
  /** By raw file: rows with more values than the cap, and values that were lighter than those that were kept. */
  readonly cut: Readonly<Record<string, { readonly rows: number; readonly values: number }>>;
}

/** What was not taken over, by raw split. */
export interface DropSummary {
  readonly purchasesWithoutClick: number;
  readonly badRows: number;
  /** Rows of common features that no row of the skeleton names, and that repeat an index. */
  readonly unusedCommonRows: number;
  readonly repeatedCommonRows: number;
}

/** All that `summary.json` tells. */
export interface Summary {
  readonly splits: Readonly<Record<string, SplitSummary>>;
  readonly fields: Readonly<Record<string, FieldSummary>>;
  readonly dropped: Readonly<Record<RawSplit, DropSummary>>;
  /** Files and options that this was made from. */
  readonly plan: unknown;
}

/** A raw split with where its sessions went. */
interface RawSource {
  readonly parsed: ParsedSplit;
  readonly assignment: Assignment;
}

/** Adds up what is known about the pieces. */
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
            cut: cutsOf(name, sources),
          },
        ];
      }),
    ),
    dropped: { train: dropsOf(sources.train), test: dropsOf(sources.test) },
    plan,
  };
}

function dropsOf({ parsed: { common, skeleton, repeated }, assignment: { rows } }: RawSource): DropSummary {
  return {
    purchasesWithoutClick: skeleton.reduce((sum, { about }) => sum + about.purchasesWithoutClick, 0),
    badRows: [...common, ...skeleton].reduce((sum, { about }) => sum + about.bad.length, 0),
    unusedCommonRows: rows.reduce((unused, count) => unused + (count === 0 ? 1 : 0), 0),
    repeatedCommonRows: repeated,
  };
}

function cutsOf(field: string, sources: Readonly<Record<RawSplit, RawSource>>): FieldSummary['cut'] {
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
