import type { SequenceEntry, SequenceOptions } from './fuzz-sequences.js';

// A slow and obvious implementation of docs/reference/sequences.md for the lists of one row.

/** An item with its weight. */
export type WeightedText = readonly [text: string, weight: number];

/** The lists of a row. */
export interface RowLists {
  /** Items by column. */
  readonly lists: Readonly<Record<string, readonly WeightedText[]>>;
  /** Times of the row by column, in the unit of the items. */
  readonly untils: Readonly<Record<string, number>>;
  readonly timeOf: (text: string) => number;
  /** Value of the target whose items are matched, if any are; empty if it is missing. */
  readonly candidate: string | undefined;
}

/** Selects the items of a row: indices into its lists, newest last. */
export function selectedItems(
  entries: readonly SequenceEntry[],
  { order = { newest: 'last' }, keep = { last: 50 } }: SequenceOptions,
  { lists, untils, timeOf, candidate }: RowLists,
): readonly number[] {
  const list = lists[entries[0]!.name]!;
  const all = list.map((_, i) => i);
  const known = all.filter((i) =>
    entries.every(({ name, until }) => until === undefined || timeOf(lists[name]![i]![0]) < untils[until]!),
  );
  const matching = 'last' in keep ? keep.matching : undefined;
  const matched = known.filter(
    (i) => matching === undefined || (candidate !== '' && lists[matching]![i]![0] === candidate),
  );
  const chosen = 'heaviest' in keep ? heaviest(known, list, keep.heaviest) : matched;
  const ordered =
    'by' in order
      ? byTime(
          chosen,
          lists[order.by]!.map(([text]) => timeOf(text)),
        )
      : chosen;
  const oldestFirst = 'newest' in order && order.newest === 'first' ? [...ordered].reverse() : ordered;
  return 'last' in keep ? oldestFirst.filter((_, i) => i >= oldestFirst.length - keep.last) : oldestFirst;
}

/** The largest weights, the first among equals, in their order. */
function heaviest(items: readonly number[], list: readonly WeightedText[], most: number): readonly number[] {
  const heavier = (i: number): number =>
    items.filter((j) => list[j]![1] > list[i]![1] || (list[j]![1] === list[i]![1] && j < i)).length;
  return items.filter((i) => heavier(i) < most);
}

/** From the oldest to the newest; items of the same time keep their order. */
function byTime(items: readonly number[], times: readonly number[]): readonly number[] {
  const before = (i: number): number =>
    items.filter((j) => times[j]! < times[i]! || (times[j] === times[i] && j < i)).length;
  const sorted: number[] = [];
  for (const i of items) sorted[before(i)] = i;
  return sorted;
}

/** The octave of an age: 1 below 1, 2 below 3, 3 below 7 and so on. */
export function octaveOf(age: number): number {
  let octave = 1;
  for (let end = 1; age >= end; end = 2 * end + 1) octave++;
  return octave;
}
