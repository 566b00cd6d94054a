import type { Column, Lists, Utf8 } from '../chunks/column.js';
import { numberColumn } from './computed.js';
import type { PickedItems, Times } from './pick-items.js';

/** Returns the picked items of a column of lists. */
export function gatherLists({ items, weights }: Lists, { offsets, items: indices }: PickedItems): Lists {
  if (indices === undefined) return { offsets, items, weights };
  return { offsets, items: gatherColumn(items, indices), weights: weights && gather(weights, indices) };
}

/** Returns the ages of picked items: the time of the row minus the time of the item. */
export function gatherAges({ items, rows }: Times, { offsets, items: indices }: PickedItems): Lists {
  const numRows = offsets.length - 1;
  const ages = new Float64Array(offsets[numRows]!);
  for (let row = 0; row < numRows; row++)
    for (let i = offsets[row]!; i < offsets[row + 1]!; i++)
      ages[i] = rows[row]! - items[indices === undefined ? i : indices[i]!]!;
  return { offsets, items: numberColumn(ages) };
}

function gatherColumn(column: Column, indices: Uint32Array): Column {
  const { type, dictionary, ids, utf8 } = column;
  const gathered: Column = {
    type,
    text: (item) => column.text(indices[item]!),
    ...(dictionary && { dictionary: { ...dictionary, indices: gatherWords(dictionary.indices, indices) } }),
    ...(ids && { ids: { ...ids, values: gatherWords(ids.values, indices) } }),
    ...(utf8 && { utf8: gatherUtf8(utf8, indices) }),
  };
  if (!('numbers' in column)) return gathered;
  // Numbers of a dictionary are computed if they are read.
  const get = (): Column['numbers'] => {
    const { numbers } = column;
    return numbers && { ...numbers, values: gather(numbers.values, indices) };
  };
  return Object.defineProperty(gathered, 'numbers', { enumerable: true, get });
}

function gatherUtf8({ bytes, begins, ends, stride, gap }: Utf8, indices: Uint32Array): Utf8 {
  const at = (offsets: Uint32Array): Uint32Array => indices.map((item) => offsets[item * stride]!);
  return { bytes, begins: at(begins), ends: at(ends), stride: 1, gap };
}

function gatherWords(values: Uint32Array, indices: Uint32Array): Uint32Array {
  const gathered = new Uint32Array(indices.length);
  for (let i = 0; i < indices.length; i++) gathered[i] = values[indices[i]!]!;
  return gathered;
}

function gather(values: ArrayLike<number>, indices: Uint32Array): Float64Array {
  const gathered = new Float64Array(indices.length);
  for (let i = 0; i < indices.length; i++) gathered[i] = values[indices[i]!]!;
  return gathered;
}
