import type { Batch } from '../../batch.js';
import { createOrderedBags } from './ordered-bags.js';
import { createRowBlock, gatherRows, type BlockColumn, type RowBlock } from './row-block.js';

/** Rows, as they are read and in another order. */
export interface OrderedRows {
  /** Where they are read to. */
  readonly raw: RowBlock;
  /** Copies the rows that are named, in that order, to one of the places for them; valid until others are put there. */
  put(order: Uint32Array, place: number): Batch;
}

/**
 * Memory for `rows` rows of these columns.
 * @param putRows rows that are put in order at once, at the most
 * @param places for rows in order, which threads share
 */
export function createOrderedRows(columns: readonly BlockColumn[], rows: number, putRows: number, places: number): OrderedRows {
  const others = columns.filter(({ kind }) => kind !== 'bag');
  const bags = columns.filter(({ kind }) => kind === 'bag').map(({ name }) => [name, createOrderedBags(rows, putRows, places)] as const);
  const raw: RowBlock = { ...createRowBlock(others, rows), bags: new Map(bags.map(([name, bag]) => [name, bag.raw])) };
  const blocks = Array.from({ length: places }, () => createRowBlock(others, putRows, SharedArrayBuffer));
  return {
    raw,
    put(order, place) {
      const block = blocks[place]!;
      gatherRows({ ...raw, bags: new Map() }, order, order.length, block);
      return { ...block, bags: new Map(bags.map(([name, bag]) => [name, bag.put(order, place)])) };
    },
  };
}
