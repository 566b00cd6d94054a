import type { ChunkRows } from '../chunks/chunk.js';
import type { Lists } from '../chunks/column.js';
import type { CellOptions } from './cells.js';
import { numberColumn } from './computed.js';
import { BadValue, type ListForm } from './feature.js';
import { listReading } from './kinds/bag.js';
import { ITEM, itemRows } from './kinds/one-value.js';

const NO_WEIGHTS = new BadValue('values without weights in every item', 'remove the weights');

/**
 * Reads items that are lists.
 * @param items their texts
 * @returns the number of values of each item, and the values of all items of each row
 */
export function readValues(
  rows: ChunkRows,
  name: string,
  items: Lists,
  form: ListForm,
  cells: CellOptions,
): { readonly lengths: Lists; readonly values: Lists } {
  const inner = itemRows(items, rows.count);
  const { offsets, items: all, weights } = listReading(ITEM, form, cells).read(inner);
  if (weights !== undefined)
    for (let item = 0; item < inner.count; item++)
      for (let i = offsets[item]!; i < offsets[item + 1]!; i++)
        if (weights[i] !== 1) inner.refuse(item, [ITEM], NO_WEIGHTS);
  refuseItems(rows, name, items, inner);
  const lengths = Float64Array.from({ length: inner.count }, (_, item) => offsets[item + 1]! - offsets[item]!);
  return {
    lengths: { offsets: items.offsets, items: numberColumn(lengths) },
    values: { offsets: items.offsets.map((item) => offsets[item]!), items: all },
  };
}

/** Refuses rows with an invalid item. */
export function refuseItems(rows: ChunkRows, name: string, { offsets }: Lists, items: ChunkRows): void {
  if (items.numKept === items.count) return;
  for (let row = 0; row < rows.count; row++)
    for (let item = offsets[row]!; item < offsets[row + 1]!; item++) {
      const problem = items.problemOf(item);
      if (problem !== undefined) rows.refuse(row, [name], problem.error);
    }
}
