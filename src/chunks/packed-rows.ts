import { column, type Batch, type BatchColumn } from '../core/batch.js';
import {
  bytesPerRow,
  columnOn,
  elementType,
  hasWords,
  wordColumn,
  toWords,
  type BlockColumn,
  type Words,
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
  const parts = inPackedOrder(columns).flatMap((each): readonly Words[] => {
    if (hasWords(each)) {
      const { data, width } = wordColumn(block, each);
      return [data.subarray(0, width * block.rows)];
    }
    const { offsets, ids, weights } = column(block, each.name, 'list');
    const items = offsets[block.rows]!;
    return [offsets.subarray(0, block.rows + 1), ids.subarray(0, items), weights.subarray(0, items)];
  });
  const bytes = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const packed = bytes <= memory.byteLength ? memory : new ArrayBuffer(4 * Math.ceil((SPARE * bytes) / 4));
  let at = 0;
  for (const part of parts) {
    const words = toWords(part);
    new Int32Array(packed, at, words.length).set(words);
    at += part.byteLength;
  }
  return packed;
}

/** Returns packed rows as a batch that shares their memory. */
export function unpackRows(memory: ArrayBuffer, rows: number, columns: readonly BlockColumn[]): Batch {
  const unpacked = new Map<string, BatchColumn>();
  let at = 0;
  const skip = (bytes: number): number => (at += bytes) - bytes;
  for (const each of inPackedOrder(columns)) {
    if (hasWords(each)) {
      unpacked.set(each.name, columnOn(each, memory, skip(bytesPerRow(each) * rows), rows));
      continue;
    }
    const offsets = new Uint32Array(memory, skip(4 * (rows + 1)), rows + 1);
    const items = offsets[rows]!;
    const ids = new Uint32Array(memory, skip(4 * items), items);
    const weights = new Float32Array(memory, skip(4 * items), items);
    unpacked.set(each.name, { type: 'list', offsets, ids, weights });
  }
  return { rows, columns: unpacked };
}

function inPackedOrder(columns: readonly BlockColumn[]): readonly BlockColumn[] {
  const isDouble = (each: BlockColumn): boolean => hasWords(each) && elementType(each) === 'f64';
  return [...columns.filter(isDouble), ...columns.filter((each) => !isDouble(each))];
}
