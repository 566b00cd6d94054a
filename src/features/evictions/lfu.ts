import type { RecentTexts } from '../vocabulary/recent-texts.js';
import { defineEviction, type Eviction } from './eviction.js';

const MAX_USES = 2 ** 32 - 1;

/**
 * Evicts the least frequently used token with dynamic aging (LFU-DA; Arlitt, Cherkasova, Dilley, Friedrich and Jin,
 * Evaluating Content Management Techniques for Web Proxy Caches, 2000, https://doi.org/10.1145/346000.346003): at each
 * use, the key of a token becomes the number of its uses plus the age, which is the key of the token that was evicted
 * last. The token with the lowest key is evicted; of several, that with the oldest last batch, then the highest row.
 */
export const lfu = defineEviction({
  name: 'lfu',
  summary: 'the least frequently used token, with dynamic aging',
  options: () => ({}),
  build: () => ({ hasKeys: true, start: (rows, age) => new FrequencyHeap(rows, age) }),
});

/** Binary heap of the rows that the batch does not use, lowest key first. */
class FrequencyHeap implements Eviction {
  readonly #rows: RecentTexts;
  readonly #heap: Uint32Array;
  /** Place of each row in the heap, from 1; 0 if it is not there. */
  readonly #places: Uint32Array;
  #size = 0;
  #age: number;
  /** Rows that the batch uses. */
  #used: number[] = [];

  constructor(rows: RecentTexts, age: number) {
    this.#rows = rows;
    this.#age = age;
    this.#heap = new Uint32Array(rows.capacity + 1);
    this.#places = new Uint32Array(rows.capacity + 1);
    for (const row of rows.usedSince(-1)) this.#insert(row);
  }

  get byteLength(): number {
    return this.#heap.byteLength + this.#places.byteLength;
  }

  get age(): number {
    return this.#age;
  }

  startBatch(): void {
    for (const row of this.#used) this.#insert(row);
    this.#used = [];
  }

  onUse(row: number): void {
    const { counts, keys } = this.#rows;
    // A new token has no use yet.
    if (this.#places[row]! > 0 || counts[row] === 0) {
      this.onRemove(row);
      this.#used.push(row);
    }
    const uses = Math.min(MAX_USES, counts[row]! + 1);
    counts[row] = uses;
    keys[row] = uses + this.#age;
  }

  onRemove(row: number): void {
    const place = this.#places[row]!;
    if (place === 0) return;
    this.#places[row] = 0;
    const last = this.#heap[this.#size]!;
    this.#size--;
    if (last !== row) this.#sink(last, this.#rise(last, place));
  }

  choose(): number {
    if (this.#size === 0) return 0;
    const row = this.#heap[1]!;
    this.#age = this.#rows.keys[row]!;
    return row;
  }

  #insert(row: number): void {
    this.#sink(row, this.#rise(row, ++this.#size));
  }

  /** Returns the place of a row that belongs at a place or above it, and moves others down. */
  #rise(row: number, from: number): number {
    let place = from;
    for (; place > 1; place >>>= 1) {
      const parent = this.#heap[place >>> 1]!;
      if (this.#isBefore(parent, row)) break;
      this.#put(parent, place);
    }
    return place;
  }

  /** Puts a row to a place or below it, and moves others up. */
  #sink(row: number, from: number): void {
    let place = from;
    for (let child = 2 * place; child <= this.#size; child = 2 * place) {
      if (child < this.#size && this.#isBefore(this.#heap[child + 1]!, this.#heap[child]!)) child++;
      if (this.#isBefore(row, this.#heap[child]!)) break;
      this.#put(this.#heap[child]!, place);
      place = child;
    }
    this.#put(row, place);
  }

  #put(row: number, place: number): void {
    this.#heap[place] = row;
    this.#places[row] = place;
  }

  /** Returns whether a row is evicted before another one. */
  #isBefore(row: number, other: number): boolean {
    const { keys } = this.#rows;
    if (keys[row] !== keys[other]) return keys[row]! < keys[other]!;
    const [batch, otherBatch] = [this.#rows.lastUse(row).batch, this.#rows.lastUse(other).batch];
    return batch === otherBatch ? row > other : batch < otherBatch;
  }
}
