import type { BagColumn } from '../core/batch.js';
import { grown } from '../core/grown.js';

/** Initial capacity for items per row. */
const INITIAL_ITEMS = 4;
/** Initial bytes per row: its offset, and the ids and weights of its items. */
export const BAG_ROW_BYTES = 4 + 8 * INITIAL_ITEMS;

/** Allocates memory for the bags of `rows` rows with at least `items` items. */
export type AllocateBags = (rows: number, items: number) => Omit<BagColumn, 'type'>;

const allocateIn =
  (Memory: typeof ArrayBuffer | typeof SharedArrayBuffer): AllocateBags =>
  (rows, items) => ({
    offsets: new Uint32Array(new Memory(4 * (rows + 1))),
    ids: new Uint32Array(new Memory(4 * items)),
    weights: new Float32Array(new Memory(4 * items)),
  });

/** Allocates memory of this thread. */
export const allocatePlainly = allocateIn(ArrayBuffer);

export const allocateShared = allocateIn(SharedArrayBuffer);

/** Bags whose items are stored as a BagColumn or as lists of a chunk; all weights are 1 if there are none. */
export interface BagItems {
  readonly offsets: Uint32Array;
  readonly ids: Uint32Array;
  readonly weights?: ArrayLike<number> | undefined;
}

/** Memory for the bags of a number of rows; it grows to the largest batch and is reused. */
export class BagBuffer implements BagColumn {
  readonly type = 'list';
  offsets: Uint32Array;
  ids: Uint32Array;
  weights: Float32Array;
  readonly #allocate: AllocateBags;
  /** Number of items up to the open bag, inclusive. */
  #count = 0;

  constructor(rows: number, allocate = allocatePlainly) {
    this.#allocate = allocate;
    ({ offsets: this.offsets, ids: this.ids, weights: this.weights } = allocate(rows, rows * INITIAL_ITEMS));
  }

  /** Grows to at least `items` items. */
  reserve(items: number): void {
    const { offsets, ids, weights } = this;
    if (items <= ids.length) return;
    // Doubling makes the cost per item constant.
    const larger = this.#allocate(offsets.length - 1, Math.max(items, 2 * ids.length));
    ({ offsets: this.offsets, ids: this.ids, weights: this.weights } = larger);
    this.offsets.set(offsets);
    this.ids.set(ids);
    this.weights.set(weights);
  }

  /** Grows to at least `rows` rows. */
  reserveRows(rows: number): void {
    this.offsets = grown(this.offsets, rows + 1);
  }

  /** Begins the bag of a row; the rows before it are filled. */
  open(row: number): void {
    this.#count = this.offsets[row]!;
  }

  /** Appends an item to the open bag. */
  add(id: number, weight: number): void {
    if (this.#count === this.ids.length) this.reserve(this.#count + 1);
    this.ids[this.#count] = id;
    this.weights[this.#count] = weight;
    this.#count++;
  }

  /** Ends the bag of a row. */
  close(row: number): void {
    this.offsets[row + 1] = this.#count;
  }

  /** Copies the bags of the rows `order[begin]` to `order[end - 1]` to row 0 and after it. */
  gather({ offsets: from, ids, weights }: BagColumn, order: Uint32Array, begin: number, end: number): void {
    let count = 0;
    for (let i = begin; i < end; i++) this.offsets[i - begin + 1] = count += from[order[i]! + 1]! - from[order[i]!]!;
    this.reserve(count);
    const [intoIds, intoWeights] = [this.ids, this.weights];
    count = 0;
    for (let i = begin; i < end; i++) {
      const last = from[order[i]! + 1]!;
      for (let item = from[order[i]!]!; item < last; item++, count++) {
        intoIds[count] = ids[item]!;
        intoWeights[count] = weights[item]!;
      }
    }
  }

  /** Moves the bags of the first `count` rows `first + kept[i]`, in increasing order, to row `first` and after it. */
  compact(first: number, kept: Uint32Array, count: number): void {
    const { offsets, ids, weights } = this;
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

  /** Removes the items of some of the first `count` rows. */
  clearRows(rows: ReadonlySet<number>, count: number): void {
    const { offsets, ids, weights } = this;
    let [begin, end] = [offsets[0]!, 0];
    for (let row = 0; row < count; row++) {
      const next = offsets[row + 1]!;
      if (!rows.has(row)) {
        ids.copyWithin(end, begin, next);
        weights.copyWithin(end, begin, next);
        end += next - begin;
      }
      begin = next;
      offsets[row + 1] = end;
    }
  }

  /** Appends the bags of rows `begin` to `end` to the bags of the first `rows` rows. */
  append({ offsets, ids, weights }: BagItems, begin: number, end: number, rows: number): void {
    const [from, to] = [offsets[begin]!, offsets[end]!];
    const at = this.offsets[rows]!;
    this.reserve(at + to - from);
    this.ids.set(ids.subarray(from, to), at);
    if (weights === undefined) this.weights.fill(1, at, at + to - from);
    else if (weights instanceof Float32Array) this.weights.set(weights.subarray(from, to), at);
    else for (let item = from; item < to; item++) this.weights[at + item - from] = weights[item]!;
    for (let i = 1; i <= end - begin; i++) this.offsets[rows + i] = at + offsets[begin + i]! - from;
  }
}
