import type { ChunkRows } from '../chunks/chunk.js';
import type { Column, Lists } from '../chunks/column.js';
import type { CellOptions } from './cells.js';
import { lazyNumbers, listColumn, readTexts, type Compute } from './computed.js';
import { BadValue, type ComputedValues, type ItemColumn } from './feature.js';
import { gatherAges, gatherLists } from './gather-items.js';
import { listReading, NO_ID, weightProblem } from './kinds/bag.js';
import { itemReader, itemRows } from './kinds/one-value.js';
import { itemComparer } from './item-comparer.js';
import { readValues, refuseItems } from './nested-items.js';
import { itemMomentReader, momentReader, type ReadMoments } from './moment.js';
import { pickItems, type Clock, type IsMatch, type ItemSelection } from './pick-items.js';

/** Names of the outputs of a sequence: of a column, or of all of them. */
export const itemOutputs = {
  /** Selected items: ids, numbers or ages, and for items that are lists, the values of all items of each row. */
  values: (column: string): string => `values of ${column}`,
  /** Number of values of each item that is a list. */
  lengths: (column: string): string => `lengths of ${column}`,
  /** Selected items as the data has them: times in place of ages. */
  written: (column: string): string => `${column} as written`,
  /** Number of items of each row before the selection. */
  count: 'count',
  /** Number of items of each row that may be read, before `keep` limits them. */
  eligible: 'eligible',
} as const;

/** A column with its readers, which remember the times of dictionaries. */
interface ItemReader extends ItemColumn {
  readonly readTimes: ReadMoments;
  readonly readUntil: (rows: ChunkRows, cells: CellOptions) => Float64Array;
  readonly readPresent: (items: ChunkRows) => unknown;
}

/**
 * Returns the computation of the items of aligned columns: the newest or heaviest ones, newest last; with a candidate,
 * the newest of those that equal it (hard search: Pi et al. 2020, https://arxiv.org/abs/2006.05639). Times of items
 * become ages: the difference to the time of the row. Rows whose lists have different lengths are refused.
 * @returns the values by the names of `itemOutputs`
 */
export function selectItems(columns: readonly ItemColumn[], selection: ItemSelection): Compute {
  const readers = columns.map(createReader);
  return (rows, cells) => {
    const read = readers.map(({ name, form }) => listReading(name, form, cells).read(rows));
    const named = readers.map(({ name }, c) => ({ name, lists: read[c]! }));
    refuseUnequal(rows, named, UNALIGNED_FIX);
    for (const [c, reader] of readers.entries()) {
      if (selection.isWeighted) checkPresent(rows, reader, read[c]!);
      checkWeights(rows, named[c]!, selection);
    }
    const whole = rows.numKept === rows.count ? read : read.map((own) => dropRefused(rows, own));
    const lists = selection.isWeighted ? whole : whole.map((own): Lists => ({ ...own, weights: undefined }));
    const clock = readClock(rows, cells, readers, lists, selection);
    const picked = pickItems(rows, lists[0]!, selection, clock, findMatcher(rows, readers, lists, selection, cells));
    const outputs = new Map<string, ComputedValues>();
    for (const [c, { name, nested }] of readers.entries()) {
      const times = clock.untils[c];
      const written = lazyLists(() => gatherLists(lists[c]!, picked));
      outputs.set(itemOutputs.written(name), written);
      if (times !== undefined) outputs.set(itemOutputs.values(name), listColumn(gatherAges(times, picked)));
      else if (nested === undefined) outputs.set(itemOutputs.values(name), written);
      else {
        const { lengths, values } = readValues(rows, name, gatherLists(lists[c]!, picked), nested, cells);
        outputs.set(itemOutputs.lengths(name), listColumn(lengths)).set(itemOutputs.values(name), listColumn(values));
      }
    }
    const { eligible } = picked;
    const counts = lazyNumbers(() => countItems(lists[0]!, rows.count));
    outputs.set(itemOutputs.count, counts);
    const readable = eligible === undefined ? counts : lazyNumbers(() => Float64Array.from(eligible));
    return outputs.set(itemOutputs.eligible, readable);
  };
}

/** Returns whether items equal the candidate of their row; undefined if items are not matched. */
function findMatcher(
  rows: ChunkRows,
  readers: readonly ItemReader[],
  lists: readonly Lists[],
  { candidate, keep }: ItemSelection,
  cells: CellOptions,
): IsMatch | undefined {
  if (candidate === undefined) return undefined;
  const matched = readers.findIndex(({ name }) => name === keep.matching);
  return matchCandidate(readTexts(rows, candidate, cells), lists[matched]!.items);
}

/** Returns a column of lists that are gathered if they are read. */
function lazyLists(gather: () => Lists): Column {
  let known: Lists | undefined;
  return Object.defineProperty({ type: 'list', text: () => '' }, 'lists', {
    enumerable: true,
    get: () => (known ??= gather()),
  });
}

function countItems({ offsets }: Lists, numRows: number): Float64Array {
  const counts = new Float64Array(numRows);
  for (let row = 0; row < numRows; row++) counts[row] = offsets[row + 1]! - offsets[row]!;
  return counts;
}

function createReader(column: ItemColumn): ItemReader {
  const known = new Map<CellOptions, ReadMoments>();
  return {
    ...column,
    readTimes: itemMomentReader(),
    readPresent: itemReader({ direct: undefined, encode: requirePresent }),
    readUntil(rows, cells) {
      const read = known.get(cells) ?? momentReader(column.until!, cells);
      known.set(cells, read);
      return read(rows);
    },
  };
}

/** Returns the condition that an item equals the value of its row, as text. A missing value equals nothing. */
function matchCandidate(values: readonly string[], items: Column): IsMatch {
  const equals = itemComparer(items);
  return (item, row) => values[row] !== '' && equals(item, values[row]!);
}

/** Lists of a column. */
interface NamedLists {
  readonly name: string;
  readonly lists: Lists;
}

/**
 * Refuses rows whose lists have different lengths: the problem has all lengths, and names the columns that differ from
 * the first one.
 * @param cure fix for the user; default: none
 */
export function refuseUnequal(rows: ChunkRows, columns: readonly NamedLists[], cure?: string): void {
  for (let row = 0; row < rows.count; row++) {
    if (haveOneLength(columns, row) || !rows.isKept(row)) continue;
    const expected = lengthIn(columns[0]!, row);
    const others = columns.filter((column) => lengthIn(column, row) !== expected);
    const lengths = new Set(columns.map((column) => `${lengthIn(column, row)} in '${column.name}'`));
    const error = new BadValue(`lists of equal length, instead of ${[...lengths].join(', ')}`, cure);
    rows.refuse(row, [...new Set(others.map(({ name }) => name))], error);
  }
}

function haveOneLength(columns: readonly NamedLists[], row: number): boolean {
  const expected = lengthIn(columns[0]!, row);
  for (const column of columns) if (lengthIn(column, row) !== expected) return false;
  return true;
}

function lengthIn({ lists: { offsets } }: NamedLists, row: number): number {
  return offsets[row + 1]! - offsets[row]!;
}

const UNALIGNED_FIX = 'correct the row, or set aligned: false if the lists do not belong together';
const NEGATIVE = new BadValue('nonnegative weights');
const NO_WEIGHTS = new BadValue(
  'items without weights',
  'remove the weights, or set aligned: false; set pooling: mean if items are lists',
);

/** Refuses rows with a missing item in lists that the data has as such; in texts, one is dropped or refused already. */
function checkPresent(rows: ChunkRows, { name, readPresent }: ItemReader, lists: Lists): void {
  if (rows.column(name).lists === undefined) return;
  const items = itemRows(lists, rows.count);
  readPresent(items);
  refuseItems(rows, name, lists, items);
}

function requirePresent(text: string): number {
  if (text === '') throw NO_ID;
  return 0;
}

/** Refuses rows with invalid weights, or with any if items have none. */
function checkWeights(
  rows: ChunkRows,
  { name, lists: { offsets, weights } }: NamedLists,
  { isWeighted }: ItemSelection,
): void {
  if (weights === undefined) return;
  for (let row = 0; row < rows.count; row++) {
    for (let item = offsets[row]!; item < offsets[row + 1]!; item++) {
      const weight = weights[item]!;
      if (weight === 1) continue;
      const isNegative = isWeighted && weight < 0;
      const problem = isNegative ? NEGATIVE : isWeighted ? weightProblem(weight, { negative: 'taken' }) : NO_WEIGHTS;
      if (problem !== undefined) rows.refuse(row, [name], problem);
    }
  }
}

/** Drops the items of refused rows, whose lists may have different lengths. */
function dropRefused(rows: ChunkRows, lists: Lists): Lists {
  const offsets = new Uint32Array(rows.count + 1);
  const items = new Uint32Array(lists.offsets[rows.count]!);
  let count = 0;
  for (let row = 0; row < rows.count; row++) {
    const end = rows.isKept(row) ? lists.offsets[row + 1]! : lists.offsets[row]!;
    for (let item = lists.offsets[row]!; item < end; item++) items[count++] = item;
    offsets[row + 1] = count;
  }
  return gatherLists(lists, { offsets, items: items.subarray(0, count) });
}

/** Reads the times that select and order items, by column. */
function readClock(
  rows: ChunkRows,
  cells: CellOptions,
  readers: readonly ItemReader[],
  lists: readonly Lists[],
  { order }: ItemSelection,
): Clock {
  const { by } = order;
  const times = readers.map((reader, c): Float64Array | undefined =>
    reader.until === undefined && reader.name !== by ? undefined : readTimes(rows, reader, lists[c]!),
  );
  return {
    untils: readers.map(({ until, readUntil }, c) =>
      until === undefined ? undefined : { items: times[c]!, rows: readUntil(rows, cells) },
    ),
    order: times[readers.findIndex(({ name }) => name === by)],
  };
}

/** Reads the items of a column as times. */
function readTimes(rows: ChunkRows, { name, readTimes: read }: ItemReader, lists: Lists): Float64Array {
  const items = itemRows(lists, rows.count);
  const times = read(items);
  refuseItems(rows, name, lists, items);
  return times;
}
