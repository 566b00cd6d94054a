import type { ChunkRows } from '../../chunks/chunk.js';
import { eachText } from '../../chunks/encode-texts.js';
import { numberColumns as listNumberColumns, type Condition } from '../../core/conditions.js';
import { quoted } from '../../core/errors.js';
import { createCleaner, type CellOptions } from '../../features/cells.js';
import { murmur3 } from '../../core/murmur.js';
import { parseText } from '../../features/parse.js';
import { createUtf8Writer } from '../../features/vocabulary/utf8.js';
import { InvalidValueError } from '../../text/invalid-value.js';
import { SPLITS, type Split, type SplitOptions } from '../options.js';
import { compileCondition } from './compile-condition.js';

/** Filter of the rows of a split. Plain data. */
export interface RowFilter {
  /** Condition on a row. */
  readonly where?: Condition | undefined;
  /** Rule that divides the rows of one source, and the split that is read. */
  readonly split?: SplitOptions | undefined;
  readonly part?: Split | undefined;
}

/** Reason of rows that are in another split. */
export const OTHER_PART = 'in another part of the split';
const NO_PART = 'in no part of the split';

/**
 * Excludes the rows of a chunk that a filter excludes, before other columns are read: they may contain anything there.
 * @param line number of the first line of the chunk
 */
export type FilterRows = (rows: ChunkRows, line: number) => void;

/** Returns the columns that a filter reads. */
export function filterColumns(filter: RowFilter): readonly string[] {
  return [...new Set(createRules(filter).flatMap(({ columns }) => columns))];
}

/** Returns whether a filter depends on the line of a row. */
export function needsLines(filter: RowFilter | undefined): boolean {
  return filter?.split?.by === 'random' && filter.part !== undefined;
}

/** Creates the filter of a file. */
export function startFilter(filter: RowFilter, cells: CellOptions = {}): FilterRows {
  const rules = createRules(filter);
  const clean = createCleaner(cells) ?? ((text: string) => text);
  return (rows, line) => {
    for (const { columns, numberColumns, exclude } of rules) {
      const values = columns.map((name) => {
        const found: string[] = [];
        const reading = { columns: [name], numberColumns, isCondition: true, takesLists: true };
        eachText(rows, reading, (text, row) => void (found[row] = clean(text)));
        return found;
      });
      for (let row = 0; row < rows.count; row++) {
        if (!rows.isKept(row)) continue;
        const own = values.map((found) => found[row]!);
        try {
          const reason = exclude(own, line + rows.lineOf(row));
          if (reason !== undefined) rows.exclude(row, reason);
        } catch (error) {
          rows.refuse(row, undefined, withValues(error, columns, own));
        }
      }
    }
  };
}

/** A rule that excludes rows by the values of some columns. */
interface Rule {
  readonly columns: readonly string[];
  /** Columns that are compared with numbers. */
  readonly numberColumns?: readonly string[];
  /**
   * Returns the reason to exclude a row; undefined if it is not excluded.
   * @throws InvalidValueError
   */
  exclude(cells: readonly string[], line: number): string | undefined;
}

function createRules({ where, split, part }: RowFilter): readonly Rule[] {
  return [
    ...(split === undefined || part === undefined ? [] : [createPartRule(split, part)]),
    ...(where === undefined ? [] : [createWhereRule(where)]),
  ];
}

/** Adds the values that a rule read to its error. */
function withValues(error: unknown, columns: readonly string[], cells: readonly string[]): unknown {
  if (!(error instanceof InvalidValueError)) return error;
  const found = columns.map((name, i) => `${quoted(cells[i])} in column ${quoted(name)}`).join(', ');
  return new InvalidValueError(`${error.expected} for the row filter, found ${found}`, error.cure);
}

function createWhereRule(where: Condition): Rule {
  const { columns, holds } = compileCondition(where);
  return {
    columns,
    numberColumns: listNumberColumns(where),
    exclude: (cells) => (holds(cells) === true ? undefined : 'excluded by data.where'),
  };
}

function createPartRule(split: SplitOptions, part: Split): Rule {
  const check = (found: Split | undefined): string | undefined =>
    found === undefined ? NO_PART : found === part ? undefined : OTHER_PART;
  if (split.by === 'date') {
    const { column } = split;
    const conditions = dateConditions(split);
    const parts = conditions.map(([name, condition]) => [name, compileCondition(condition).holds] as const);
    return {
      columns: [column],
      numberColumns: listNumberColumns({ all: conditions.map(([, condition]) => condition) }),
      exclude: (cells) =>
        cells[0] === ''
          ? `missing value in the split column '${column}'`
          : check(parts.find(([, holds]) => holds(cells) === true)?.[0]),
    };
  }
  const ends = shareEnds(split.shares);
  const hash = createHash(split.seed);
  const findPart = (share: number): Split | undefined => SPLITS.find((each) => share < ends[each]);
  return split.by === 'key'
    ? { columns: [split.column], exclude: ([text]) => check(findPart(hash.text(text!))) }
    : { columns: [], exclude: (_, line) => check(findPart(hash.line(line))) };
}

/** Returns the condition of each split; by default, training rows are before all others. */
function dateConditions(split: SplitOptions & { readonly by: 'date' }): readonly (readonly [Split, Condition])[] {
  const { column } = split;
  const ranges = SPLITS.flatMap((part) => {
    const range = split[part];
    return range === undefined ? [] : [[part, { column, atLeast: range.from, atMost: range.to }] as const];
  });
  if (split.train !== undefined) return ranges;
  const before = ranges.map(([, { atLeast }]): Condition => ({ column, below: atLeast }));
  return [['train', { all: before }], ...ranges];
}

/** Returns the end of each split as a share of the rows; by default, the training set has the rest. */
function shareEnds({
  train,
  valid = 0,
  test = 0,
}: (SplitOptions & { readonly by: 'key' })['shares']): Readonly<Record<Split, number>> {
  const first = train ?? 1 - valid - test;
  // Shares may sum to slightly less than 1 in floating point; the last split has the rest.
  const round = (sum: number): number => (sum > 1 - 1e-9 ? 1 : sum);
  return { train: round(first), valid: round(first + valid), test: round(first + valid + test) };
}

/** Separates the hashes of splits from the hashes of features. */
const SALT = 0x5917c3a1;

/** Creates hashes of texts and lines to numbers from 0 to 1, by MurmurHash3 of their bytes. */
function createHash(seed: number): { text(text: string): number; line(line: number): number } {
  const utf8 = createUtf8Writer();
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  const hash = (data: Uint8Array, length: number): number => (murmur3(data, 0, length, SALT ^ seed) >>> 0) / 2 ** 32;
  return {
    text(text) {
      const length = utf8.write(parseText(text));
      return hash(utf8.bytes, length);
    },
    line(line) {
      view.setUint32(0, line >>> 0, true);
      view.setUint32(4, Math.floor(line / 2 ** 32), true);
      return hash(bytes, 8);
    },
  };
}
