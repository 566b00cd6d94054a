import { numberColumns, type Condition } from '../../core/conditions.js';
import { quoted } from '../../core/errors.js';
import { BadValue } from '../../features/feature.js';
import { murmur3 } from '../../features/murmur.js';
import { parseText } from '../../features/parse.js';
import { createUtf8Writer } from '../../features/vocabulary/utf8.js';
import { SPLITS, type Split, type SplitOptions } from '../options.js';
import { compileCondition } from './compile-condition.js';
import type { RowRule, StartedRule } from './row-rule.js';

/** Which rows of its files a part of a data set has: plain data. */
export interface RowFilter {
  /** What must hold of a row. */
  readonly where?: Condition | undefined;
  /** How the rows of one source are divided, and the part that is wanted. */
  readonly split?: SplitOptions | undefined;
  readonly part?: Split | undefined;
}

/** The reason of rows that are in another part: they are not missing. */
export const OTHER_PART = 'in another part of the split';

/** The rule that keeps the rows of a filter, which decides before other cells are looked at. */
export function filterRule({ where, split, part }: RowFilter): RowRule {
  const deciders = [
    ...(split === undefined || part === undefined ? [] : [partDecider(split, part)]),
    ...(where === undefined ? [] : [whereDecider(where)]),
  ];
  const columns = [...new Set(deciders.flatMap((decider) => decider.columns))];
  return {
    columns,
    isFirst: true,
    ...(deciders.some(({ needsLine }) => needsLine === true) && { needsLine: true }),
    start(): StartedRule {
      const numbers = where === undefined ? [] : numberColumns(where);
      const cells = new Map<string, string>();
      const readers = columns.map((name) => ({
        columns: [name],
        numberColumns: numbers,
        isKept: true as const,
        read: (text: string) => void cells.set(name, text),
      }));
      const started = deciders.map((decider) => ({ decider, own: decider.columns.map(() => '') }));
      return {
        readers,
        settle(line) {
          for (const { decider, own } of started) {
            for (let i = 0; i < own.length; i++) own[i] = cells.get(decider.columns[i]!)!;
            const reason = reasonOf(decider, own, line);
            if (reason !== undefined) return reason;
          }
          return undefined;
        },
      };
    },
  };
}

/** Decides on a row by the cells of some columns. */
interface Decider {
  readonly columns: readonly string[];
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
  return { columns, reasonOf: (cells) => (holds(cells) === true ? undefined : 'excluded by data.where') };
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
