import type { BagColumn, Batch, VectorColumn } from '../../core/batch.js';
import { KEY_WORDS } from '../../core/row-key.js';
import type { BlockColumn, RowBlock } from '../rows/row-block.js';

// The rows of a block in one piece of memory, which can move between threads: a column after the other, in words of 4
// bytes. A
// bag is its offsets, from 0 on, then the ids and the weights of its items.

/** Room that is left for a block that is a little larger. */
const SPARE = 1.125;

/**
 * Packs the rows of a block.
 * @param memory that is taken where they fit in it
 */
export function packRows(block: RowBlock, columns: readonly BlockColumn[], memory: ArrayBuffer): ArrayBuffer {
  const { rows, ids, numbers, bags, labels, vectors, keys } = block;
  let words = 0;
  for (const { name, kind, width = 1 } of columns)
    words +=
      kind === 'bag' ? rows + 1 + 2 * bags.get(name)!.offsets[rows]! : rows * (kind === 'key' ? KEY_WORDS : width);
  const into = 4 * words <= memory.byteLength ? memory : new ArrayBuffer(4 * Math.ceil(SPARE * words));
  const integers = new Uint32Array(into);
  const floats = new Float32Array(into);
  let at = 0;
  const put = (data: Uint32Array | Float32Array, length: number): void => {
    (data instanceof Uint32Array ? integers : floats).set(data.subarray(0, length), at);
    at += length;
  };
  for (const { name, kind } of columns) {
    if (kind === 'bag') {
      const bag = bags.get(name)!;
      const items = bag.offsets[rows]!;
      put(bag.offsets, rows + 1);
      put(bag.ids, items);
      put(bag.weights, items);
    } else if (kind === 'vector') {
      const { width, data } = vectors.get(name)!;
      put(data, rows * width);
    } else if (kind === 'key') {
      put(keys.get(name)!, rows * KEY_WORDS);
    } else {
      put(kind === 'id' ? ids.get(name)! : (kind === 'number' ? numbers : labels).get(name)!, rows);
    }
  }
  return into;
}

/** Rows that were packed, as a batch that shares their memory. */
export function unpackRows(memory: ArrayBuffer, rows: number, columns: readonly BlockColumn[]): Batch {
  const ids = new Map<string, Uint32Array>();
  const numbers = new Map<string, Float32Array>();
  const bags = new Map<string, BagColumn>();
  const labels = new Map<string, Float32Array>();
  const vectors = new Map<string, VectorColumn>();
  const keys = new Map<string, Uint32Array>();
  let at = 0;
  const integers = (length: number): Uint32Array => new Uint32Array(memory, 4 * ((at += length) - length), length);
  const floats = (length: number): Float32Array => new Float32Array(memory, 4 * ((at += length) - length), length);
  for (const { name, kind, width = 1 } of columns) {
    if (kind === 'bag') {
      const offsets = integers(rows + 1);
      const items = offsets[rows]!;
      bags.set(name, { offsets, ids: integers(items), weights: floats(items) });
    } else if (kind === 'id') ids.set(name, integers(rows));
    else if (kind === 'key') keys.set(name, integers(KEY_WORDS * rows));
    else if (kind === 'vector') vectors.set(name, { width, data: floats(rows * width) });
    else (kind === 'number' ? numbers : labels).set(name, floats(rows));
  }
  return { rows, ids, numbers, bags, labels, vectors, keys };
}
