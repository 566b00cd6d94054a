import type { BagColumn } from '../core/batch.js';

/** Memory for the bags of a number of rows; it grows to what the fullest batch needs and is used again. */
export interface BagBuffer extends BagColumn {
  offsets: Uint32Array;
  ids: Uint32Array;
  weights: Float32Array;
  /** Grows to at least this number of items. */
  reserve(items: number): void;
  /** Grows to at least this number of rows. */
  reserveRows(rows: number): void;
  /** Begins the bag of a row again; the rows before it are filled. */
  open(row: number): void;
  /** Appends an item to the open bag. */
  add(id: number, weight: number): void;
  /** Ends the bag of the row. */
  close(row: number): void;
}

/** Items a row that there is room for at first. */
const FIRST_ITEMS = 4;
/** Bytes that a row takes at first: its offset, and ids and weights. */
export const BAG_ROW_BYTES = 4 + 8 * FIRST_ITEMS;

/** Gives memory for some rows and at least so many of their items, in the place of what there was before. */
export type AllocateBags = (rows: number, items: number, before?: BagColumn) => BagColumn;

const allocateIn =
  (Memory: typeof ArrayBuffer | typeof SharedArrayBuffer): AllocateBags =>
  (rows, items, before) => ({
    offsets: before?.offsets ?? new Uint32Array(new Memory(4 * (rows + 1))),
    ids: new Uint32Array(new Memory(4 * items)),
    weights: new Float32Array(new Memory(4 * items)),
  });

/** In plain memory, of which offsets stay as they are. */
export const allocatePlainly = allocateIn(ArrayBuffer);

/** The same in memory that threads share. */
export const allocateShared = allocateIn(SharedArrayBuffer);

/**
 * An empty buffer for the bags of `rows` rows.
 * @param allocate says where they lie
 */
export function createBagBuffer(rows: number, allocate: AllocateBags = allocatePlainly): BagBuffer {
  let count = 0;
  const buffer: BagBuffer = {
    ...allocate(rows, rows * FIRST_ITEMS),
    reserve(items) {
      const { offsets, ids, weights } = buffer;
      if (items <= ids.length) return;
      // Doubled at the least, so that growing costs a constant an item.
      Object.assign(buffer, allocate(rows, Math.max(items, 2 * ids.length), { offsets, ids, weights }));
      if (buffer.offsets !== offsets) buffer.offsets.set(offsets);
      buffer.ids.set(ids);
      buffer.weights.set(weights);
    },
    reserveRows(count) {
      const { offsets } = buffer;
      if (count < offsets.length) return;
      buffer.offsets = new Uint32Array(Math.max(count + 1, 2 * offsets.length));
      buffer.offsets.set(offsets);
    },
    open: (row) => void (count = buffer.offsets[row]!),
    add(id, weight) {
      if (count === buffer.ids.length) buffer.reserve(count + 1);
      buffer.ids[count] = id;
      buffer.weights[count] = weight;
      count++;
    },
    close: (row) => void (buffer.offsets[row + 1] = count),
  };
  return buffer;
}

/** Copies the bags of the rows that `order` lists, from `begin` to `end`, to the start of `target`. */
export function gatherBags(source: BagColumn, order: Uint32Array, begin: number, end: number, target: BagBuffer): void {
  const { offsets: from, ids: fromIds, weights: fromWeights } = source;
  let count = 0;
  for (let i = begin; i < end; i++) target.offsets[i - begin + 1] = count += from[order[i]! + 1]! - from[order[i]!]!;
  target.reserve(count);
  const { ids, weights } = target;
  count = 0;
  for (let i = begin; i < end; i++) {
    const last = from[order[i]! + 1]!;
    for (let item = from[order[i]!]!; item < last; item++, count++) {
      ids[count] = fromIds[item]!;
      weights[count] = fromWeights[item]!;
    }
  }
}

/** Moves the bags of rows `first + kept[i]`, in increasing order, to row `first` and after it. */
export function compactBags(
  { offsets, ids, weights }: BagColumn,
  first: number,
  kept: Uint32Array,
  count: number,
): void {
  let end = offsets[first]!;
  for (let i = 0; i < count; i++) {
    const from = offsets[first + kept[i]!]!;
    const to = offsets[first + kept[i]! + 1]!;
    ids.copyWithin(end, from, to);
    weights.copyWithin(end, from, to);
    end += to - from;
    // Later rows are not read before this one.
    offsets[first + i + 1] = end;
  }
}

/** Appends the bags of rows `begin` to `end` to those of the first `rows` rows of `target`. */
export function appendBags(source: BagColumn, begin: number, end: number, target: BagBuffer, rows: number): void {
  const from = source.offsets[begin]!;
  const to = source.offsets[end]!;
  const at = target.offsets[rows]!;
  target.reserve(at + to - from);
  target.ids.set(source.ids.subarray(from, to), at);
  target.weights.set(source.weights.subarray(from, to), at);
  for (let i = 1; i <= end - begin; i++) target.offsets[rows + i] = at + source.offsets[begin + i]! - from;
}
