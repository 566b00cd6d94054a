import type { Chunk } from './chunk.js';
import { sortKeys } from './sort-keys.js';

/** Rows of both classes in increasing order of prediction, encoded as integers with the same order. */
export interface Ranked {
  readonly negatives: Uint32Array;
  readonly positives: Uint32Array;
}

/** Sorts both classes separately; uses eight bytes per row during the sort, four afterward. */
export function rankClasses(rows: number, chunks: Iterable<Chunk>): Ranked {
  // Negatives from the front, positives from the back.
  const keys = new Uint32Array(rows);
  const floats = new Float32Array(keys.buffer);
  let numNegatives = 0;
  let positivesBegin = rows;
  for (const { labels, predictions } of chunks) {
    const before = numNegatives;
    numNegatives = writeClasses(labels, predictions, floats, before, positivesBegin);
    positivesBegin -= labels.length - (numNegatives - before);
  }
  orderBits(keys);
  const negatives = keys.subarray(0, numNegatives);
  const positives = keys.subarray(numNegatives);
  const scratch = new Uint32Array(Math.max(numNegatives, rows - numNegatives));
  sortKeys(negatives, scratch);
  sortKeys(positives, scratch);
  return { negatives, positives };
}

/**
 * Writes predictions of negatives from `front` up and of positives from `back` down; returns the next offset for
 * negatives.
 */
function writeClasses(
  labels: Float32Array,
  predictions: Float32Array,
  floats: Float32Array,
  front: number,
  back: number,
): number {
  const { length } = labels;
  // Adding 0 converts -0 to 0.
  for (let row = 0; row < length; row++) floats[labels[row] === 1 ? --back : front++] = predictions[row]! + 0;
  return front;
}

/**
 * Converts the bits of floats in place to integers with the same order: flips all bits of negative floats, otherwise
 * the sign bit.
 */
export function orderBits(keys: Uint32Array): void {
  const { length } = keys;
  for (let i = 0; i < length; i++) keys[i]! ^= (keys[i]! >> 31) | 0x80000000;
}

/** Creates a function that converts such an integer back to its float. */
export function createFloatReader(): (key: number) => number {
  const bits = new Uint32Array(1);
  const float = new Float32Array(bits.buffer);
  return (key) => {
    bits[0] = key & 0x80000000 ? key ^ 0x80000000 : ~key;
    return float[0]!;
  };
}

/** Receives a distinct prediction with its row count per class. */
export type TakeTie = (numNegatives: number, numPositives: number, key: number) => void;

/** Visits the distinct predictions in increasing order. */
export function walkUp({ negatives, positives }: Ranked, take: TakeTie): void {
  let [n, p] = [0, 0];
  while (n < negatives.length || p < positives.length) {
    const key =
      p === positives.length || (n < negatives.length && negatives[n]! < positives[p]!) ? negatives[n]! : positives[p]!;
    const [firstNegative, firstPositive] = [n, p];
    while (n < negatives.length && negatives[n] === key) n++;
    while (p < positives.length && positives[p] === key) p++;
    take(n - firstNegative, p - firstPositive, key);
  }
}

/** Visits the distinct predictions in decreasing order until `take` returns false. */
export function walkDown({ negatives, positives }: Ranked, take: (...tie: Parameters<TakeTie>) => boolean): void {
  let [n, p] = [negatives.length, positives.length];
  while (n > 0 || p > 0) {
    const key = p === 0 || (n > 0 && negatives[n - 1]! > positives[p - 1]!) ? negatives[n - 1]! : positives[p - 1]!;
    const [lastNegative, lastPositive] = [n, p];
    while (n > 0 && negatives[n - 1] === key) n--;
    while (p > 0 && positives[p - 1] === key) p--;
    if (!take(lastNegative - n, lastPositive - p, key)) return;
  }
}

/** Returns the reason if all rows have the same class, which cannot be ranked. */
export function findOneClass({ negatives, positives }: Ranked): { readonly reason: string } | undefined {
  return explainOneClass(positives.length, negatives.length + positives.length);
}

/** Returns the reason if the counts show only one class. */
export function explainOneClass(positives: number, rows: number): { readonly reason: string } | undefined {
  return positives === 0 || positives === rows
    ? { reason: `only one class: ${positives} positives among ${rows} rows` }
    : undefined;
}
