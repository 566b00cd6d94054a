import type { Tensor } from '@tensorflow/tfjs';
import type { TensorFlow } from './backend.js';

// Between the rows of a batch and the items of a sequence: row b has items offsets[b] … offsets[b + 1], one row each in
// a matrix of items. Everything is a gather: TensorFlow adds the elements of a segment in any order on a GPU, and
// TensorFlow.js compares all items with each row on a CPU. Here pairs of neighbors are added, then pairs of these sums,
// so that a sum has one order and requires a logarithmic number of operations.

/** Positions of two rows each, in a matrix with a row of zeros at its end. */
interface Pairs {
  readonly first: Int32Array;
  readonly second: Int32Array;
}

/** Some rows with a similar number of items, each padded to `length` items. */
export interface Block {
  readonly name: string;
  readonly rows: number;
  readonly length: number;
  /** Rows of the batch. */
  readonly indices: readonly number[];
}

/** Operations on the items of each row of a batch, without gradients. */
export class Segments {
  readonly #tf: TensorFlow;
  readonly #offsets: Uint32Array;
  readonly #counts: Int32Array;
  /** Positions and factors, which are uploaded once. */
  readonly #uploaded = new Map<string, Tensor>();

  /** @param offsets where the items of each row begin, and the end of the last */
  constructor(tf: TensorFlow, offsets: Uint32Array) {
    this.#tf = tf;
    this.#offsets = offsets;
    this.#counts = Int32Array.from({ length: offsets.length - 1 }, (_, b) => offsets[b + 1]! - offsets[b]!);
  }

  /** Computes the sum over the items of each row, `[rows, width]`; 0 without items. */
  sum(x: Tensor): Tensor {
    return this.#reduce(x, 'zeros', (a, b) => this.#tf.add(a, b));
  }

  /** Computes the maximum over the items of each row, `[rows, width]`; 0 without items. */
  max(x: Tensor): Tensor {
    return this.#reduce(x, 'itself', (a, b) => this.#tf.maximum(a, b));
  }

  /** Repeats each row of the batch for its items, `[items, width]`. */
  expand(x: Tensor): Tensor {
    return this.#gather(x, 'rows', () => rowsOfItems(this.#counts));
  }

  /** Moves items `by` places later in their row; 0 where there is none. */
  shift(x: Tensor, by: number): Tensor {
    return this.#gather(this.#withZeros(x), `shift ${by}`, () => shiftedPositions(this.#offsets, by));
  }

  /** Returns 1 over the number of items of each row, `[rows, 1]`; 1 without items. */
  shares(): Tensor {
    return this.#once('shares', () =>
      column(
        this.#tf,
        Float32Array.from(this.#counts, (count) => 1 / Math.max(count, 1)),
      ),
    );
  }

  /** Returns the number of items from each item to the end of its row, `[items, 1]`. */
  remaining(): Tensor {
    return this.#once('remaining', () => column(this.#tf, remainingItems(this.#counts)));
  }

  /**
   * Returns the number of later items of the row, for the items with the largest scores, of equal ones the latest, in
   * the order of the items: `[selected items, 1]`.
   * @param selected operations on the selected items
   */
  largest(scores: Tensor, selected: Segments): Tensor {
    const tf = this.#tf;
    const [rows, longest] = [this.#counts.length, Math.max(0, ...this.#counts)];
    const count = Math.max(0, ...selected.#counts);
    if (count === 0) return tf.zeros([0, 1]);
    // From the newest on: the first of equal scores is the one to select.
    const reversed = this.#gather(this.#withLowest(scores), 'reversed', () =>
      reversedPositions(this.#offsets, longest),
    );
    const { indices } = tf.topk(tf.reshape(reversed, [rows, longest]), count);
    const isPadding = tf.greaterEqual(
      indices,
      this.#once('lengths', () => column(tf, Float32Array.from(this.#counts))),
    );
    const oldestFirst = tf.topk(tf.where(isPadding, tf.fill([rows, count], -1), tf.cast(indices, 'float32')), count);
    return selected.#gather(tf.reshape(oldestFirst.values, [rows * count, 1]), `first of ${count}`, () =>
      firstOfRows(selected.#counts, count),
    );
  }

  /** Returns the index of the items that have some numbers of later items in their row, `[selected items]`. */
  placesOf(positions: Tensor, selected: Segments): Tensor {
    const tf = this.#tf;
    const lasts = selected.#once('last items', () =>
      tf.tensor1d(
        Int32Array.from(rowsOfItems(selected.#counts), (b) => this.#offsets[b + 1]! - 1),
        'int32',
      ),
    );
    return tf.sub(lasts, tf.cast(tf.reshape(positions, [-1]), 'int32'));
  }

  /** Distributes the rows that have items over blocks of at most `maxPairs` pairs of items, or of one row. */
  blocks(maxPairs: number): readonly Block[] {
    const blocks: { length: number; indices: number[] }[] = [];
    const descending = [...this.#counts.keys()].sort((a, b) => this.#counts[b]! - this.#counts[a]!);
    for (const b of descending) {
      const [count, block] = [this.#counts[b]!, blocks.at(-1)];
      if (count === 0) break;
      const isFull = block === undefined || (block.indices.length + 1) * block.length ** 2 > maxPairs;
      if (isFull || 2 * count <= block.length) blocks.push({ length: count, indices: [b] });
      else block.indices.push(b);
    }
    return blocks.map((block, i) => ({ ...block, rows: block.indices.length, name: `block ${i} of ${maxPairs}` }));
  }

  /** Copies the items of a block, zeros after the items of each row: `[rows · length, width]`. */
  pad(x: Tensor, { name, indices, length }: Block): Tensor {
    return this.#gather(this.#withZeros(x), name, () => {
      const positions = new Int32Array(indices.length * length).fill(this.#offsets.at(-1)!);
      for (const [r, b] of indices.entries())
        for (let i = 0; i < this.#counts[b]!; i++) positions[r * length + i] = this.#offsets[b]! + i;
      return positions;
    });
  }

  /** Copies the items of all blocks back to their rows: `[items, width]`. */
  unpad(parts: readonly Tensor[], blocks: readonly Block[]): Tensor {
    return this.#gather(this.#tf.concat([...parts], 0), `all from ${blocks[0]!.name}`, () => {
      const positions = new Int32Array(this.#offsets.at(-1)!);
      let begin = 0;
      for (const { indices, length } of blocks)
        for (const b of indices) {
          for (let i = 0; i < this.#counts[b]!; i++) positions[this.#offsets[b]! + i] = begin + i;
          begin += length;
        }
      return positions;
    });
  }

  /** Returns `value` for the padding of each row of a block and 0 for its items, `[rows, 1, 1, length]`. */
  padding({ name, rows, length, indices }: Block, value: number): Tensor {
    return this.#once(`${value} for the padding of ${name}`, () => {
      const elements = new Float32Array(rows * length);
      for (const [r, b] of indices.entries()) elements.fill(value, r * length + this.#counts[b]!, (r + 1) * length);
      return this.#tf.tensor4d(elements, [rows, 1, 1, length]);
    });
  }

  /** Disposes what was uploaded. */
  dispose(): void {
    this.#tf.dispose([...this.#uploaded.values()]);
    this.#uploaded.clear();
  }

  /**
   * Joins the items of each row in pairs until there is one per row.
   * @param single what an item without a neighbor is joined with
   */
  #reduce(x: Tensor, single: 'zeros' | 'itself', join: (a: Tensor, b: Tensor) => Tensor): Tensor {
    let parts = this.#withZeros(x);
    let counts = this.#counts;
    for (let level = 0; counts.some((count) => count > 1); level++) {
      const of = counts;
      parts = join(
        this.#gather(parts, `first of ${level}`, () => pairsOf(of, single).first),
        this.#gather(parts, `second of ${level} with ${single}`, () => pairsOf(of, single).second),
      );
      counts = halvesOf(counts);
    }
    return this.#gather(parts, 'result', () => resultPositions(counts));
  }

  /** Appends a row of zeros. */
  #withZeros(x: Tensor): Tensor {
    return this.#tf.pad(x, [
      [0, 1],
      [0, 0],
    ]);
  }

  /** Appends a row of the lowest number. */
  #withLowest(x: Tensor): Tensor {
    return this.#tf.pad(
      x,
      [
        [0, 1],
        [0, 0],
      ],
      -Infinity,
    );
  }

  #gather(x: Tensor, name: string, positions: () => Int32Array): Tensor {
    return this.#tf.gather(
      x,
      this.#once(name, () => this.#tf.tensor1d(positions(), 'int32')),
    );
  }

  #once(name: string, upload: () => Tensor): Tensor {
    const known = this.#uploaded.get(name) ?? this.#tf.keep(upload());
    this.#uploaded.set(name, known);
    return known;
  }
}

function column(tf: TensorFlow, elements: Float32Array): Tensor {
  return tf.tensor2d(elements, [elements.length, 1]);
}

/** Returns the number of pairs of each row, an item without a neighbor being one. */
function halvesOf(counts: Int32Array): Int32Array {
  return counts.map((count) => Math.ceil(count / 2));
}

/** Pairs up the items of each row, and the row of zeros after all items with itself. */
function pairsOf(counts: Int32Array, single: 'zeros' | 'itself'): Pairs {
  const [zeros, numPairs] = [sumOf(counts), sumOf(halvesOf(counts))];
  const [first, second] = [new Int32Array(numPairs + 1), new Int32Array(numPairs + 1)];
  let [at, pair] = [0, 0];
  for (const count of counts) {
    for (let i = 0; i < count; i += 2, pair++) {
      first[pair] = at + i;
      second[pair] = i + 1 < count ? at + i + 1 : single === 'zeros' ? zeros : at + i;
    }
    at += count;
  }
  first[pair] = second[pair] = zeros;
  return { first, second };
}

/**
 * Returns the position of each row's only part; the position of the zeros, after all parts, for a row without items.
 */
function resultPositions(counts: Int32Array): Int32Array {
  const zeros = counts.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
  let at = 0;
  return counts.map((count) => (count > 0 ? at++ : zeros));
}

/** Returns the positions of the items of each row from the last on, padded to `length` with that after all items. */
function reversedPositions(offsets: Uint32Array, length: number): Int32Array {
  const rows = offsets.length - 1;
  const positions = new Int32Array(rows * length).fill(offsets[rows]!);
  for (let b = 0; b < rows; b++)
    for (let i = 0, item = offsets[b + 1]! - 1; item >= offsets[b]!; i++, item--) positions[b * length + i] = item;
  return positions;
}

/** Returns the positions of the first items of each row of `length` items. */
function firstOfRows(counts: Int32Array, length: number): Int32Array {
  const positions = new Int32Array(sumOf(counts));
  let at = 0;
  for (const [b, count] of counts.entries()) for (let i = 0; i < count; i++) positions[at++] = b * length + i;
  return positions;
}

function rowsOfItems(counts: Int32Array): Int32Array {
  const rows = new Int32Array(sumOf(counts));
  let item = 0;
  for (const [b, count] of counts.entries()) rows.fill(b, item, (item += count));
  return rows;
}

/**
 * Returns the position of the item `by` places earlier in the row of each item; the position of the zeros if there is
 * none.
 */
function shiftedPositions(offsets: Uint32Array, by: number): Int32Array {
  const numItems = offsets.at(-1)!;
  const shifted = new Int32Array(numItems);
  for (let b = 0; b + 1 < offsets.length; b++) {
    const [begin, end] = [offsets[b]!, offsets[b + 1]!];
    for (let item = begin; item < end; item++) {
      const from = item - by;
      shifted[item] = from >= begin && from < end ? from : numItems;
    }
  }
  return shifted;
}

function remainingItems(counts: Int32Array): Float32Array {
  const remaining = new Float32Array(sumOf(counts));
  let item = 0;
  for (const count of counts) for (let i = count; i > 0; i--) remaining[item++] = i;
  return remaining;
}

function sumOf(counts: Int32Array): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
