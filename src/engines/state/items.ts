import { column, type BagColumn, type Batch } from '../../core/batch.js';
import type { Ref } from '../compile/buffers.js';
import type { ItemsPlace } from '../compile/items.js';
import { selectedOffsets, type Domain } from '../../graph/domain.js';

/** Indices of the words of a field's items (see `ItemsPlace`). */
export interface ItemWords extends Pick<ItemsPlace, 'field' | 'maxItems' | 'pooling' | 'counts'> {
  readonly offsets: number;
  readonly selected: readonly { readonly count: number; readonly offsets: number }[];
  readonly bag: number | undefined;
  readonly ids: number | undefined;
  readonly factors: number | undefined;
}

/** Returns where the items of fields are among words. */
export function itemWords(places: readonly ItemsPlace[], wordAt: (ref: Ref) => number): readonly ItemWords[] {
  const indexOf = (ref: Ref | undefined): number | undefined => ref && wordAt(ref);
  return places.map(({ field, maxItems, pooling, counts, offsets, selected, bag, ids, factors }) => ({
    field,
    maxItems,
    pooling,
    counts,
    offsets: wordAt(offsets),
    selected: selected.map((each) => ({ count: each.count, offsets: wordAt(each.offsets) })),
    bag: indexOf(bag),
    ids: indexOf(ids),
    factors: indexOf(factors),
  }));
}

/**
 * Writes where the items of rows `begin` to `begin + rows` begin, and where those that are selected do; or where the
 * values of each of their items begin.
 * @returns all items of the field, and which of them belong to the rows: `first` up to `end`
 * @throws Error for more items than planned
 */
export function loadOffsets(
  {
    field,
    maxItems = Infinity,
    counts,
    offsets,
    selected,
  }: Pick<ItemWords, 'field' | 'maxItems' | 'counts' | 'offsets' | 'selected'>,
  batch: Batch,
  begin: number,
  rows: number,
  words: Uint32Array,
): { readonly of: BagColumn; readonly first: number; readonly end: number } {
  const of = column(batch, field, 'list');
  const [first, end] = [of.offsets[begin]!, of.offsets[begin + rows]!];
  if (end - first > rows * maxItems) throw new Error(`'${field}' has rows with more than ${maxItems} items`);
  if (counts === undefined) for (let b = 0; b <= rows; b++) words[offsets + b] = of.offsets[begin + b]! - first;
  else if (first + sumCounts(column(batch, counts, 'list'), begin, rows, words, offsets) !== end)
    throw new Error(`'${counts}' differs from the number of values of '${field}'`);
  for (const { count, offsets: at } of selected)
    words.set(selectedOffsets(of.offsets.subarray(begin, begin + rows + 1), count), at);
  return { of, first, end };
}

/** Writes the sums of the numbers of values up to each item of some rows; returns their total. */
function sumCounts(
  { offsets, weights }: BagColumn,
  begin: number,
  rows: number,
  words: Uint32Array,
  at: number,
): number {
  const [first, end] = [offsets[begin]!, offsets[begin + rows]!];
  let sum = 0;
  words[at] = 0;
  for (let item = first; item < end; item++) words[at + item - first + 1] = sum += weights[item]!;
  return sum;
}

/** Returns the number of rows that a domain has for `rows` rows of a batch from `begin` on. */
export function domainRows(domain: Domain, batch: Batch, begin: number, rows: number): number {
  if (domain.kind === 'items') return countItems(column(batch, domain.field, 'list'), begin, rows);
  if (domain.kind === 'selected') {
    const { offsets } = column(batch, domain.field, 'list');
    return selectedOffsets(offsets.subarray(begin, begin + rows + 1), domain.count)[rows]!;
  }
  if (domain.kind === 'shared') return domain.count;
  return domain.kind === 'batch' ? rows : rows * domain.count;
}

/** Returns the number of items of `rows` rows from `begin` on. */
export function countItems({ offsets }: BagColumn, begin: number, rows: number): number {
  return offsets[begin + rows]! - offsets[begin]!;
}
