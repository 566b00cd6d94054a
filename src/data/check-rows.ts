import { userError } from '../errors.js';
import { BLAME_DATA } from './shards/manifest.js';
import type { RowBlock } from './row-block.js';

/**
 * Looks through rows that were read from shards for what would reach beyond a table.
 * @param sizes by column of ids or bags: every id is below
 * @param placeOf where a row of the block was read
 * @throws UserError (data)
 */
export function checkRows(block: RowBlock, sizes: ReadonlyMap<string, number>, placeOf: (row: number) => string): void {
  const fail = (name: string, row: number, id: number): never => {
    const message = `expected an id below ${sizes.get(name)}, as the manifest has it, found ${id}`;
    throw userError('data', { where: placeOf(row), key: `column '${name}'`, message, fix: BLAME_DATA.fix });
  };
  for (const [name, ids] of block.ids) {
    const row = firstBeyond(ids, 0, block.rows, sizes.get(name)!);
    if (row >= 0) fail(name, row, ids[row]!);
  }
  for (const [name, { offsets, ids }] of block.bags) {
    const item = firstBeyond(ids, 0, offsets[block.rows]!, sizes.get(name)!);
    if (item >= 0) fail(name, offsets.findIndex((offset) => offset > item) - 1, ids[item]!);
  }
}

/** The first place of an id that is `size` or more, or -1. */
function firstBeyond(ids: Uint32Array, begin: number, end: number, size: number): number {
  let largest = 0;
  for (let i = begin; i < end; i++) if (ids[i]! > largest) largest = ids[i]!;
  return largest < size ? -1 : ids.findIndex((id) => id >= size);
}
