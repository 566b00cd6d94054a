import type { ColumnReader } from './column-reader.js';

/** What decides whether a row is kept, once its cells are read. */
export interface RowRule {
  /** Columns that it reads itself, beside those of labels and fields. */
  readonly columns: readonly string[];
  /**
   * Whether it decides by its own columns alone, before others are looked at: what it leaves out may hold anything
   * there.
   */
  readonly isFirst?: true;
  /** Whether it has to know the line on which a row ends. */
  readonly needsLine?: true;
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
   * @param line its line in its file, or its number there
   * @returns why it is left out, in a few words that are counted; undefined for a row that is kept
   * @throws BadValue where its cells do not agree
   */
  settle(line: number): string | undefined;
  /**
   * Whether it is seen at once that rows `begin` to `end` of the block are all kept as they are; no answer where that
   * takes more than a look at each.
   */
  keepsAll?(begin: number, end: number): boolean;
}

/** By reason: rows that were left out, though nothing is wrong with them. */
export type LeftOut = ReadonlyMap<string, number>;

/** Rules that decide together. */
export interface RulesInTurn {
  readonly readers: readonly ColumnReader[];
  /** Whether one of them has to know the line on which a row ends; else any number will do. */
  readonly needsLine?: true;
  /**
   * Whether the row at hand is kept; what is left out is counted under the first reason.
   * @throws BadValue
   */
  settle(line: number): boolean;
  /**
   * Whether it is seen at once that rows `begin` to `end` of the block are all kept as they are; false says nothing.
   */
  keepsAll(begin: number, end: number): boolean;
}

/** All rules of a format at work. */
export interface StartedRules {
  /** Those that decide before other cells are looked at; undefined where there are none. */
  readonly first: RulesInTurn | undefined;
  readonly others: RulesInTurn;
  /** Counted on. */
  readonly leftOut: Map<string, number>;
}

/** Starts the rules for rows that are read into a block. */
export function startRules(rules: readonly RowRule[], block: RuleBlock): StartedRules {
  const leftOut = new Map<string, number>();
  const inTurn = (some: readonly RowRule[]): RulesInTurn => {
    const started = some.map((rule) => rule.start(block));
    return {
      readers: started.flatMap(({ readers }) => readers),
      ...(some.some(({ needsLine }) => needsLine === true) && { needsLine: true }),
      settle(line) {
        for (let i = 0; i < started.length; i++) {
          const reason = started[i]!.settle(line);
          if (reason === undefined) continue;
          countLeftOut(leftOut, [[reason, 1]]);
          return false;
        }
        return true;
      },
      keepsAll: (begin, end) => started.every((rule) => rule.keepsAll?.(begin, end) === true),
    };
  };
  const first = rules.filter(({ isFirst }) => isFirst === true);
  return {
    first: first.length === 0 ? undefined : inTurn(first),
    others: inTurn(rules.filter((rule) => !first.includes(rule))),
    leftOut,
  };
}

/** Adds to the counts of rows that were left out. */
export function countLeftOut(
  counts: Map<string, number>,
  more: Iterable<readonly [reason: string, rows: number]>,
): void {
  for (const [reason, rows] of more) counts.set(reason, (counts.get(reason) ?? 0) + rows);
}
