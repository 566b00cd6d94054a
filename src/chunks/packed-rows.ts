import { column, type BagColumn, type Batch } from '../core/batch.js';
import {
  emptyBlock,
  hasWords,
  setWords,
  wordArray,
  wordColumn,
  elementsPerRow,
  wordsOf,
  type BlockColumn,
  type RowBlock,
  type WordColumn,
} from './row-block.js';

// The rows of a block in one buffer, which can move between threads: one column after the other, in words of 4 bytes.
// Doubles are first, since their addresses are multiples of 8. A bag is its offsets, then the ids and the weights of
// its items.

/** Capacity of a new buffer, relative to its first rows, for rows that take more. */
const SPARE = 1.125;

/**
 * Packs the rows of a block.
 * @param memory is used if the rows fit
 */
export function packRows(block: Batch, columns: readonly BlockColumn[], memory: ArrayBuffer): ArrayBuffer {
  const parts = inPackedOrder(columns).flatMap((each): readonly WordColumn['data'][] => {
    if (hasWords(each)) {
      const { data, width } = wordColumn(block, each);
      return [data.subarray(0, width * block.rows)];
    }
    const { offsets, ids, weights } = column(block.bags, each.name);
    const items = offsets[block.rows]!;
    return [offsets.subarray(0, block.rows + 1), ids.subarray(0, items), weights.subarray(0, items)];
  });
  const bytes = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const packed = bytes <= memory.byteLength ? memory : new ArrayBuffer(4 * Math.ceil((SPARE * bytes) / 4));
  let at = 0;
  for (const part of parts) {
    const words = wordsOf(part);
    new Int32Array(packed, at, words.length).set(words);
    at += part.byteLength;
  }
  return packed;
}

/** Returns packed rows as a block that shares their memory. */
export function unpackRows(memory: ArrayBuffer, rows: number, columns: readonly BlockColumn[]): Batch {
  const block: RowBlock = { ...emptyBlock(), rows };
  const bags = new Map<string, BagColumn>();
  let at = 0;
  const take = <Data extends WordColumn['data']>(
    Memory: new (buffer: ArrayBuffer, at: number, length: number) => Data,
    length: number,
  ): Data => {
    const data = new Memory(memory, at, length);
    at += data.byteLength;
    return data;
  };
  for (const each of inPackedOrder(columns)) {
    if (hasWords(each)) {
      setWords(block, each, take<WordColumn['data']>(wordArray(each), elementsPerRow(each) * rows));
    } else {
      const offsets = take(Uint32Array, rows + 1);
      const items = offsets[rows]!;
      bags.set(each.name, { offsets, ids: take(Uint32Array, items), weights: take(Float32Array, items) });
    }
  }
  return { ...block, bags };
}

function inPackedOrder(columns: readonly BlockColumn[]): readonly BlockColumn[] {
  const isDouble = ({ kind }: BlockColumn): boolean => kind === 'double';
  return [...columns.filter(isDouble), ...columns.filter((each) => !isDouble(each))];
}
