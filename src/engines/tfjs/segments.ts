import type { Tensor, Tensor1D } from '@tensorflow/tfjs';
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

/** Operations on the items of each row of a batch, without gradients. */
export interface Segments {
  /** Computes the sum over the items of each row, `[rows, width]`; 0 without items. */
  sum(x: Tensor): Tensor;
  /** Computes the maximum over the items of each row, `[rows, width]`; 0 without items. */
  max(x: Tensor): Tensor;
  /** Repeats each row of the batch for its items, `[items, width]`. */
  expand(x: Tensor): Tensor;
  /** Moves items `by` places later in their row; 0 where there is none. */
  shift(x: Tensor, by: number): Tensor;
  /** Returns 1 over the number of items of each row, `[rows, 1]`; 1 without items. */
  shares(): Tensor;
  /** Returns the number of items from each item to the end of its row, `[items, 1]`. */
  remaining(): Tensor;
  /** Disposes the positions, which are uploaded once. */
  dispose(): void;
}

/**
 * Creates the operations on the items of a sequence.
 * @param offsets where the items of each row begin, and the end of the last
 */
export function createSegments(tf: TensorFlow, offsets: Uint32Array): Segments {
  const rows = offsets.length - 1;
  const numItems = offsets[rows]!;
  const counts = Int32Array.from({ length: rows }, (_, b) => offsets[b + 1]! - offsets[b]!);
  const uploaded = new Map<string, Tensor>();
  const once = <Uploaded extends Tensor>(name: string, upload: () => Uploaded): Uploaded => {
    const known = uploaded.get(name) ?? tf.keep(upload());
    uploaded.set(name, known);
    return known as Uploaded; // of the same name
  };
  const positions = (name: string, list: () => Int32Array): Tensor1D => once(name, () => tf.tensor1d(list(), 'int32'));
  const withZeros = (x: Tensor): Tensor =>
    tf.pad(x, [
      [0, 1],
      [0, 0],
    ]);
  let pairs: { readonly sum: readonly Pairs[]; readonly max: readonly Pairs[] } | undefined;

  /** Joins the items of each row in pairs until there is one per row. */
  const reduce = (x: Tensor, of: 'sum' | 'max', join: (a: Tensor, b: Tensor) => Tensor): Tensor => {
    pairs ??= { sum: pairUp(counts, 'zeros'), max: pairUp(counts, 'first') };
    const joined = pairs[of].reduce((parts, { first, second }, level) => {
      const a = tf.gather(
        parts,
        positions(`first of ${level}`, () => first),
      );
      return join(
        a,
        tf.gather(
          parts,
          positions(`second of ${level} for ${of}`, () => second),
        ),
      );
    }, withZeros(x));
    return tf.gather(
      joined,
      positions('result', () => resultPositions(counts)),
    );
  };

  return {
    sum: (x) => reduce(x, 'sum', (a, b) => tf.add(a, b)),
    max: (x) => reduce(x, 'max', (a, b) => tf.maximum(a, b)),
    expand: (x) =>
      tf.gather(
        x,
        positions('rows', () => rowsOfItems(counts, numItems)),
      ),
    shift: (x, by) =>
      tf.gather(
        withZeros(x),
        positions(`shift ${by}`, () => shiftedPositions(offsets, by)),
      ),
    shares: () =>
      once('shares', () =>
        tf.tensor2d(
          Float32Array.from(counts, (count) => 1 / Math.max(count, 1)),
          [rows, 1],
        ),
      ),
    remaining: () => once('remaining', () => tf.tensor2d(remainingItems(counts, numItems), [numItems, 1])),
    dispose() {
      tf.dispose([...uploaded.values()]);
      uploaded.clear();
    },
  };
}

/**
 * Pairs up the items of each row, then these pairs, until each row has at most one.
 * @param alone pairs an item without a neighbor with the row of zeros, or with itself
 */
function pairUp(counts: Int32Array, alone: 'zeros' | 'first'): readonly Pairs[] {
  const levels: Pairs[] = [];
  let parts = counts;
  while (parts.some((count) => count > 1)) {
    const halves = parts.map((count) => Math.ceil(count / 2));
    const zeros = sumOf(parts);
    const [first, second] = [new Int32Array(sumOf(halves) + 1), new Int32Array(sumOf(halves) + 1)];
    let [at, pair] = [0, 0];
    for (const count of parts) {
      for (let i = 0; i < count; i += 2, pair++) {
        first[pair] = at + i;
        second[pair] = i + 1 < count ? at + i + 1 : alone === 'zeros' ? zeros : at + i;
      }
      at += count;
    }
    first[pair] = second[pair] = zeros;
    levels.push({ first, second });
    parts = halves;
  }
  return levels;
}

/** Returns the position of each row's only part; that of the zeros, after all parts, for a row without items. */
function resultPositions(counts: Int32Array): Int32Array {
  const zeros = counts.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
  let at = 0;
  return counts.map((count) => (count > 0 ? at++ : zeros));
}

function rowsOfItems(counts: Int32Array, numItems: number): Int32Array {
  const rows = new Int32Array(numItems);
  let item = 0;
  for (const [b, count] of counts.entries()) rows.fill(b, item, (item += count));
  return rows;
}

/** Returns the position of the item `by` places earlier in the row of each item; that of the zeros if there is none. */
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

function remainingItems(counts: Int32Array, numItems: number): Float32Array {
  const remaining = new Float32Array(numItems);
  let item = 0;
  for (const count of counts) for (let i = count; i > 0; i--) remaining[item++] = i;
  return remaining;
}

function sumOf(counts: Int32Array): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
