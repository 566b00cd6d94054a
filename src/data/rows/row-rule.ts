import type { ColumnReader } from './column-reader.js';

/** What decides whether a row is kept, once its cells are read. */
export interface RowRule {
  /** Columns that it reads itself, beside those of labels and fields. */
  readonly columns: readonly string[];
  /** Starts to decide on rows that are read into a block. */
  start(block: RuleBlock): StartedRule;
}

/** Where rows are read into: the row at hand is row `rows`. */
export interface RuleBlock {
  readonly rows: number;
  readonly labels: ReadonlyMap<string, Float32Array>;
}

/** A rule at work. */
export interface StartedRule {
  /** Of its own columns. */
  readonly readers: readonly ColumnReader[];
  /**
   * Looks at the row at hand.
   * @returns why it is left out, in a few words that are counted; undefined for a row that is kept
   * @throws BadValue where its cells do not agree
   */
  settle(): string | undefined;
}

/** By reason: rows that were left out, though nothing is wrong with them. */
export type LeftOut = ReadonlyMap<string, number>;

/** All rules of a format at work. */
export interface StartedRules {
  readonly readers: readonly ColumnReader[];
  /**
   * Whether the row at hand is kept; what is left out is counted under the first reason.
   * @throws BadValue
   */
  settle(): boolean;
  /** Counted on. */
  readonly leftOut: Map<string, number>;
}

/** Starts the rules for rows that are read into a block. */
export function startRules(rules: readonly RowRule[], block: RuleBlock): StartedRules {
  const started = rules.map((rule) => rule.start(block));
  const leftOut = new Map<string, number>();
  return {
    readers: started.flatMap(({ readers }) => readers),
    leftOut,
    settle() {
      for (const rule of started) {
        const reason = rule.settle();
        if (reason === undefined) continue;
        countLeftOut(leftOut, [[reason, 1]]);
        return false;
      }
      return true;
    },
  };
}

/** Adds to the counts of rows that were left out. */
export function countLeftOut(counts: Map<string, number>, more: Iterable<readonly [reason: string, rows: number]>): void {
  for (const [reason, rows] of more) counts.set(reason, (counts.get(reason) ?? 0) + rows);
}
