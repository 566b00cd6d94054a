import type { ChunkRows } from '../../chunks/chunk.js';
import { textsOf } from '../../chunks/encode-texts.js';
import { numberColumns, type Condition } from '../../core/conditions.js';
import { quoted } from '../../core/errors.js';
import { createCleaner, type CellOptions } from '../../features/cells.js';
import { BadValue } from '../../features/feature.js';
import { murmur3 } from '../../features/murmur.js';
import { parseText } from '../../features/parse.js';
import { createUtf8Writer } from '../../features/vocabulary/utf8.js';
import { SPLITS, type Split, type SplitOptions } from '../options.js';
import { compileCondition } from './compile-condition.js';

/** Which rows of its files a split contains. Plain data. */
export interface RowFilter {
  /** Condition on a row. */
  readonly where?: Condition | undefined;
  /** Rule that divides the rows of one source, and the split that is read. */
  readonly split?: SplitOptions | undefined;
  readonly part?: Split | undefined;
}

/** Reason of rows that are in another split. */
export const OTHER_PART = 'in another part of the split';

/**
 * Excludes the rows of a chunk that a filter excludes, before other columns are read: they may contain anything there.
 * @param line number of the first line of the chunk
 */
export type FilterRows = (rows: ChunkRows, line: number) => void;

/** Returns the columns that a filter reads. */
export function filterColumns(filter: RowFilter): readonly string[] {
  return [...new Set(decidersOf(filter).flatMap(({ columns }) => columns))];
}

/** Returns whether a filter depends on the line of a row. */
export function needsLines(filter: RowFilter | undefined): boolean {
  return filter !== undefined && decidersOf(filter).some(({ needsLine }) => needsLine === true);
}

/** Creates the filter of a file. */
export function startFilter(filter: RowFilter, cells: CellOptions = {}): FilterRows {
  const deciders = decidersOf(filter);
  const clean = createCleaner(cells) ?? ((text: string) => text);
  return (rows, line) => {
    const started = deciders.map((decider) => ({
      decider,
      texts: decider.columns.map((name) => {
        const { numberColumns: numbers } = decider;
        return textsOf(rows, { columns: [name], numberColumns: numbers, isCondition: true, takesLists: true });
      }),
    }));
    for (let row = 0; row < rows.count; row++) {
      for (const { decider, texts } of started) {
        if (!rows.isKept(row)) break;
        let cell = 0;
        try {
          const own: string[] = [];
          for (; cell < texts.length; cell++) own.push(clean(texts[cell]!(row)));
          const reason = reasonOf(decider, own, line + rows.lineOf(row));
          if (reason !== undefined) rows.exclude(row, reason);
        } catch (error) {
          rows.refuse(row, cell < texts.length ? [decider.columns[cell]!] : undefined, error);
        }
      }
    }
  };
}

function decidersOf({ where, split, part }: RowFilter): readonly Decider[] {
  return [
    ...(split === undefined || part === undefined ? [] : [partDecider(split, part)]),
    ...(where === undefined ? [] : [whereDecider(where)]),
  ];
}

/** Decides on a row by the cells of some columns. */
interface Decider {
  readonly columns: readonly string[];
  /** Columns that are compared with numbers. */
  readonly numberColumns?: readonly string[];
  readonly needsLine?: boolean;
  /** @throws BadValue */
  reasonOf(cells: readonly string[], line: number): string | undefined;
}

function reasonOf(decider: Decider, cells: readonly string[], line: number): string | undefined {
  try {
    return decider.reasonOf(cells, line);
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    const found = decider.columns.map((name, i) => `${quoted(cells[i])} in column ${quoted(name)}`).join(', ');
    throw new BadValue(`${error.expected} for the row filter, found ${found}`, error.cure);
  }
}

function whereDecider(where: Condition): Decider {
  const { columns, holds } = compileCondition(where);
  return {
    columns,
    numberColumns: numberColumns(where),
    reasonOf: (cells) => (holds(cells) === true ? undefined : 'excluded by data.where'),
  };
}

function partDecider(split: SplitOptions, part: Split): Decider {
  if (split.by === 'date') return dateDecider(split, part);
  const limits = limitsOf(split.shares);
  const decide = (share: number): string | undefined => {
    const found = SPLITS.find((each) => share < limits[each]);
    return found === undefined ? 'in no part of the split' : found === part ? undefined : OTHER_PART;
  };
  if (split.by === 'key') {
    const shareOf = hashedShare(split.seed);
    return { columns: [split.column], reasonOf: ([cell]) => decide(shareOf(cell!)) };
  }
  const shareOf = lineShare(split.seed);
  return { columns: [], needsLine: true, reasonOf: (_, line) => decide(shareOf(line)) };
}

function dateDecider({ column, ...ranges }: SplitOptions & { readonly by: 'date' }, part: Split): Decider {
  const conditions = conditionsOf(column, ranges);
  const parts = conditions.map(([split, condition]) => [split, compileCondition(condition).holds] as const);
  return {
    columns: [column],
    numberColumns: numberColumns({ all: conditions.map(([, condition]) => condition) }),
    reasonOf(cells) {
      if (cells[0] === '') return `missing value in the split column '${column}'`;
      const found = parts.find(([, holds]) => holds(cells) === true)?.[0];
      return found === undefined ? 'in no part of the split' : found === part ? undefined : OTHER_PART;
    },
  };
}

type Ranges = Omit<SplitOptions & { readonly by: 'date' }, 'by' | 'column'>;

/** What holds of the rows of each part; of train, where nothing is said, that they are before all others. */
function conditionsOf(column: string, ranges: Ranges): readonly (readonly [Split, Condition])[] {
  const named = SPLITS.flatMap((split) => {
    const range = ranges[split];
    return range === undefined ? [] : [[split, { column, atLeast: range.from, atMost: range.to }] as const];
  });
  if (ranges.train !== undefined) return named;
  const before = named.map(([, { atLeast }]): Condition => ({ column, below: atLeast }));
  return [['train', { all: before }], ...named];
}

/** Where each part ends, from 0 to 1; train has what is left where nothing is said of it. */
function limitsOf({
  train,
  valid = 0,
  test = 0,
}: (SplitOptions & { readonly by: 'key' })['shares']): Readonly<Record<Split, number>> {
  const first = train ?? 1 - valid - test;
  // What is left of 1 may be a little less in floating point, and belongs to the last part.
  const end = (sum: number): number => (sum > 1 - 1e-9 ? 1 : sum);
  return { train: end(first), valid: end(first + valid), test: end(first + valid + test) };
}

/** A number from 0 to 1 for a text, the same for the same text: MurmurHash3 of its bytes. */
function hashedShare(seed: number): (text: string) => number {
  const utf8 = createUtf8Writer();
  return (text) => {
    const length = utf8.write(parseText(text));
    return (murmur3(utf8.bytes, 0, length, SALT ^ seed) >>> 0) / 2 ** 32;
  };
}

/** A number from 0 to 1 for a line of a file. */
function lineShare(seed: number): (line: number) => number {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  return (line) => {
    view.setUint32(0, line >>> 0, true);
    view.setUint32(4, Math.floor(line / 2 ** 32), true);
    return (murmur3(bytes, 0, 8, SALT ^ seed) >>> 0) / 2 ** 32;
  };
}

/** So that a split has nothing to do with the buckets of features that are hashed. */
const SALT = 0x5917c3a1;
