import type { ChunkRows } from '../chunks/chunk.js';
import type { Column, Lists } from '../chunks/column.js';
import { listColumn, numberColumn, readTexts, type Compute } from './computed.js';
import { BadValue, type ListForm } from './feature.js';
import { weightProblem } from './kinds/bag.js';
import { listReading } from './kinds/bag.js';
import { parseMoment } from './moment.js';
import { takeTopK } from './top-k-by-weight.js';

/** A column of a sequence. */
export interface ItemColumn {
  readonly name: string;
  /** Column with the time of the row, for times of items; others: undefined. */
  readonly until: string | undefined;
}

/** Which items of a row are read, and in which order. */
export interface ItemSelection {
  readonly order: { readonly newest: 'first' | 'last' } | { readonly by: string };
  readonly keep: { readonly last: number } | { readonly heaviest: number };
  readonly form: ListForm;
  readonly isWeighted: boolean;
}

/** Times of items, of which those before the time of the row are read. */
interface Times {
  readonly items: Float64Array;
  /** Time of each row; NaN if it is missing. */
  readonly rows: Float64Array;
}

/**
 * Returns the computation of the items of aligned columns: the newest or heaviest ones, newest last. Times of items
 * become ages: the difference to the time of the row. Rows whose lists have different lengths are refused.
 */
export function selectItems(columns: readonly ItemColumn[], selection: ItemSelection): Compute {
  const names = columns.map(({ name }) => name);
  const [first, ...others] = names as [string, ...string[]];
  return (rows, cells) => {
    const readings = new Map(names.map((name) => [name, listReading(name, selection.form, cells)]));
    const lists = new Map(names.map((name) => [name, copyOffsets(readings.get(name)!.read(rows))]));
    const own = lists.get(first)!;
    for (const name of others) rows.eachKept([name], (row) => checkLength(first, own, lists.get(name)!, row));
    if (!selection.isWeighted) for (const name of names) rejectWeights(rows, name, lists.get(name)!);
    const untils = new Map(
      columns.flatMap(({ name, until }) =>
        until === undefined
          ? []
          : [[name, readTimes(rows, name, lists.get(name)!, until, readTexts(rows, until, cells))]],
      ),
    );
    const by = 'by' in selection.order ? selection.order.by : undefined;
    const order = by === undefined ? undefined : (untils.get(by)?.items ?? readMoments(rows, by, lists.get(by)!));
    const picked = pickItems(rows, own, selection, { times: [...untils.values()], order });
    return columns.map(({ name }) => {
      const times = untils.get(name);
      const items = times === undefined ? pickColumn(lists.get(name)!.items, picked) : pickAges(times, picked);
      const { weights } = lists.get(name)!;
      return listColumn({
        offsets: picked.offsets,
        items,
        weights:
          weights === undefined || !selection.isWeighted
            ? undefined
            : Float64Array.from(picked.items, (item) => weights[item]!),
      });
    });
  };
}

/** Keeps the offsets of lists, which are valid until the next call. */
function copyOffsets({ offsets, ...lists }: Lists): Lists {
  return { ...lists, offsets: offsets.slice() };
}

function checkLength(first: string, own: Lists, other: Lists, row: number): void {
  const [expected, found] = [own, other].map(({ offsets }) => offsets[row + 1]! - offsets[row]!) as [number, number];
  if (found !== expected)
    throw new BadValue(
      `as many items as '${first}', which has ${expected}, but there are ${found}`,
      'correct the row: the fields of a sequence are aligned item by item; or set aligned: false',
    );
}

function rejectWeights(rows: ChunkRows, name: string, { offsets, weights }: Lists): void {
  if (weights === undefined) return;
  rows.eachKept([name], (row) => {
    for (let item = offsets[row]!; item < offsets[row + 1]!; item++)
      if (weights[item] !== 1) throw new BadValue('items without weights', 'remove the weights, or set aligned: false');
  });
}

/** Reads the times of items as numbers. */
function readMoments(rows: ChunkRows, name: string, { offsets, items }: Lists): Float64Array {
  const times = new Float64Array(offsets[rows.count]!);
  rows.eachKept([name], (row) => {
    for (let item = offsets[row]!; item < offsets[row + 1]!; item++) times[item] = parseMoment(items.text(item));
  });
  return times;
}

function readTimes(rows: ChunkRows, name: string, lists: Lists, until: string, texts: readonly string[]): Times {
  const ends = new Float64Array(rows.count);
  rows.eachKept([until], (row) => (ends[row] = parseMoment(texts[row]!)));
  return { items: readMoments(rows, name, lists), rows: ends };
}

/** Items of all rows, selected and in order. */
interface PickedItems {
  readonly offsets: Uint32Array;
  /** Index of each among all items of the chunk. */
  readonly items: Uint32Array;
  /** Row of each. */
  readonly rows: Uint32Array;
}

/** Times that select items and order them. */
interface Clock {
  readonly times: readonly Times[];
  readonly order: Float64Array | undefined;
}

function pickItems(rows: ChunkRows, lists: Lists, selection: ItemSelection, clock: Clock): PickedItems {
  const { offsets } = lists;
  const ends = new Uint32Array(rows.count + 1);
  const items = new Uint32Array(offsets[rows.count]!);
  const itemRows = new Uint32Array(items.length);
  let count = 0;
  for (let row = 0; row < rows.count; row++) {
    if (selection.isWeighted) checkWeights(rows, row, lists);
    if (rows.isKept(row))
      for (const item of pickRow(lists, row, selection, clock)) {
        itemRows[count] = row;
        items[count++] = item;
      }
    ends[row + 1] = count;
  }
  return { offsets: ends, items: items.subarray(0, count), rows: itemRows.subarray(0, count) };
}

/** Returns the items of a row that are read, newest last. */
function pickRow({ offsets, weights }: Lists, row: number, { order, keep }: ItemSelection, clock: Clock): number[] {
  const picked: number[] = [];
  const [begin, end] = [offsets[row]!, offsets[row + 1]!];
  if ('heaviest' in keep) {
    const each = weights ?? new Float32Array(end).fill(1);
    takeTopK(each, begin, end, keep.heaviest, (item) => picked.push(item));
    return picked;
  }
  for (let item = begin; item < end; item++)
    if (clock.times.every(({ items, rows: ends }) => items[item]! < ends[row]!)) picked.push(item);
  const { order: times } = clock;
  if (times !== undefined) picked.sort((a, b) => times[a]! - times[b]!);
  else if ('newest' in order && order.newest === 'first') picked.reverse();
  return picked.length > keep.last ? picked.slice(-keep.last) : picked;
}

function checkWeights(rows: ChunkRows, row: number, { offsets, weights }: Lists): void {
  if (weights === undefined || !rows.isKept(row)) return;
  for (let item = offsets[row]!; item < offsets[row + 1]!; item++) {
    const problem = weightProblem(weights[item]!, { negative: 'refused' });
    if (problem !== undefined) return rows.refuse(row, undefined, problem);
  }
}

function pickColumn({ type, dictionary, numbers, ...column }: Column, { items }: PickedItems): Column {
  return {
    type,
    text: (item) => column.text(items[item]!),
    ...(dictionary !== undefined && {
      dictionary: { indices: items.map((item) => dictionary.indices[item]!), values: dictionary.values },
    }),
    ...(numbers !== undefined && {
      numbers: { isWhole: numbers.isWhole, values: Float64Array.from(items, (item) => numbers.values[item]!) },
    }),
  };
}

function pickAges(times: Times, { items, rows }: PickedItems): Column {
  return numberColumn(Float64Array.from(items, (item, i) => times.rows[rows[i]!]! - times.items[item]!));
}
