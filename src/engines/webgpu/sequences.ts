import { column, type Batch } from '../../core/batch.js';
import type { Compiled } from '../compile/compile.js';
import type { DeviceMemory } from './memory.js';

/**
 * Copies the items of rows `begin` to `begin + rows` of a batch to columns, in the order of the program's sequences;
 * returns their number by field.
 * @throws Error for more items than planned
 */
export type ItemLoader = (
  columns: Uint32Array,
  batch: Batch,
  begin: number,
  rows: number,
) => ReadonlyMap<string, number>;

/** The counts of a program without sequences. */
export const NO_ITEMS: ReadonlyMap<string, number> = new Map();

/** Creates a loader of a program's sequences. */
export function createItemLoader({ tables }: Compiled, { wordAt }: DeviceMemory): ItemLoader {
  const sequences = tables.sequences.map(({ field, maxItems, ids, offsets }) => ({
    field,
    maxItems,
    ids: wordAt(ids),
    offsets: wordAt(offsets),
  }));
  if (sequences.length === 0) return () => NO_ITEMS;
  return (columns, { bags }, begin, rows) =>
    new Map(
      sequences.map(({ field, maxItems, ids, offsets }) => {
        const bag = column(bags, field);
        const [first, end] = [bag.offsets[begin]!, bag.offsets[begin + rows]!];
        if (end - first > rows * maxItems) throw new Error(`'${field}' has rows with more than ${maxItems} items`);
        for (let b = 0; b <= rows; b++) columns[offsets + b] = bag.offsets[begin + b]! - first;
        columns.set(bag.ids.subarray(first, end), ids);
        return [field, end - first] as const;
      }),
    );
}
