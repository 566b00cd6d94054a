import type { EncodeAll } from '../../chunks/casts.js';
import { userError } from '../../core/errors.js';
import { grown } from '../../core/grown.js';
import { fillPlace, idAt, indexWords, reserveIds } from '../../core/hash-index.js';
import { sortByCount } from '../../core/sort-by-count.js';
import { sortTexts } from './sort-texts.js';
import { findIds, findPlace, hashText, idOf } from './text-table.js';
import { createStringPool, MAX_BYTES, type StringPool } from './string-pool.js';
import { createUtf8Writer } from './utf8.js';

/** Strings below the minimum count, by decreasing count, then in order of appearance. */
export interface RareTexts {
  readonly texts: StringPool;
  /** Run-length encoded counts: pairs of a count and the number of strings that have it. */
  readonly counts: readonly (readonly [count: number, texts: number])[];
}

/** Counts saturate here: the order of more frequent strings does not matter. */
const MAX_COUNT = 2 ** 32 - 1;

/** Limits of rare strings, which are part of every checkpoint. */
const [MAX_RARE_TEXTS, MAX_RARE_BYTES] = [1 << 20, 1 << 26];

/** Counts strings; uses 8 bytes per distinct string besides its own, and 12 to 24 for the hash table. */
export class TextCounter {
  readonly #table = {
    bytes: new Uint8Array(1 << 12),
    offsets: new Uint32Array(1 << 9),
    index: new Int32Array(indexWords(0)!) as Int32Array,
  };
  #counts = new Uint32Array(1 << 9);
  #size = 0;
  readonly #utf8 = createUtf8Writer();

  /**
   * @param field name for errors
   * @param maxBytes maximum total bytes of distinct strings
   */
  constructor(
    readonly field: string,
    readonly maxBytes = MAX_BYTES,
  ) {}

  /** Returns the id of a counted string, from 1; 0 if there is none. */
  numberOf(text: Uint8Array, begin: number, end: number): number {
    return idOf(this.#table, text, begin, end);
  }

  /** The same for many strings. */
  readonly numbersOf: EncodeAll = (cells, rows, into, first) => findIds(this.#table, cells, rows, into, first);

  /** Increments the count of an id. */
  countAgain(number: number): void {
    if (this.#counts[number - 1]! < MAX_COUNT) this.#counts[number - 1]!++;
  }

  /**
   * Counts a string.
   * @throws UserError (data) if the vocabulary is full
   */
  count(text: string, times = 1): void {
    const number = this.add(text);
    this.#counts[number - 1] = Math.min(MAX_COUNT, this.#counts[number - 1]! + times);
  }

  /**
   * Returns the id of a string, adding it without counting if it is new.
   * @throws UserError (data) if the vocabulary is full
   */
  add(text: string): number {
    const length = this.#utf8.write(text);
    const hash = hashText(this.#utf8.bytes, 0, length);
    const known = idAt(this.#table.index, this.#placeOf(hash, length));
    if (known !== 0) return known;
    this.#reserve(length);
    const place = this.#placeOf(hash, length);
    const { bytes, offsets, index } = this.#table;
    const begin = offsets[this.#size]!;
    for (let i = 0; i < length; i++) bytes[begin + i] = this.#utf8.bytes[i]!;
    offsets[++this.#size] = begin + length;
    fillPlace(index, place, hash, this.#size);
    return this.#size;
  }

  /** All strings: that with an id is at index id - 1. Valid until the next string is added. */
  get texts(): StringPool {
    return this.#table;
  }

  /** Returns all strings by id; index 0 is empty. */
  numbered(): StringPool {
    const { bytes, offsets } = this.#table;
    const numBytes = offsets[this.#size]!;
    const texts = createStringPool(this.#size + 1, numBytes);
    texts.bytes.set(bytes.subarray(0, numBytes));
    texts.offsets.set(offsets.subarray(0, this.#size + 1), 1);
    return texts;
  }

  /**
   * Returns the nonempty strings that were counted less than `minCount` times, with their counts.
   * @param maxTexts maximum number, most frequent first
   * @param maxBytes maximum total size
   */
  rare(minCount: number, maxTexts = MAX_RARE_TEXTS, maxBytes = MAX_RARE_BYTES): RareTexts {
    const order = this.#selectIndices((count) => count > 0 && count < minCount);
    sortByCount(order, this.#counts);
    const { offsets } = this.#table;
    const runs: [number, number][] = [];
    let [numStored, numBytes] = [0, 0];
    for (; numStored < Math.min(maxTexts, order.length); numStored++) {
      const index = order[numStored]!;
      numBytes += offsets[index + 1]! - offsets[index]!;
      if (numBytes > maxBytes) break;
      const last = runs.at(-1);
      if (last !== undefined && last[0] === this.#counts[index]) last[1]++;
      else runs.push([this.#counts[index]!, 1]);
    }
    return { texts: this.#textsAt(order.subarray(0, numStored)), counts: runs };
  }

  /**
   * Returns the nonempty strings that were counted at least `minCount` times: most frequent first, then in JavaScript's
   * order. Ends the counter to release its memory.
   */
  frequent(minCount: number): StringPool {
    this.#table.index = new Int32Array(0);
    const order = this.#selectIndices((count) => count >= minCount);
    sortTexts(this.#table, order);
    sortByCount(order, this.#counts);
    return this.#textsAt(order);
  }

  /** Returns the place of the string in the writer. */
  #placeOf(hash: number, length: number): number {
    return findPlace(this.#table, hash, this.#utf8.bytes, 0, length);
  }

  /** Reserves memory for another string. */
  #reserve(length: number): void {
    const table = this.#table;
    const needed = table.offsets[this.#size]! + length;
    if (needed > this.maxBytes) throw this.#tooMany();
    try {
      const index = reserveIds(table.index, this.#size + 1);
      if (index === undefined) throw this.#tooMany();
      table.index = index;
      table.bytes = grown(table.bytes, needed, MAX_BYTES);
      table.offsets = grown(table.offsets, this.#size + 2);
      this.#counts = grown(this.#counts, this.#size + 1);
    } catch (error) {
      throw error instanceof RangeError ? this.#tooMany(error) : error;
    }
  }

  #tooMany(cause?: unknown): Error {
    const found = `${this.#size} distinct strings with ${this.#table.offsets[this.#size]!} bytes`;
    const problem = {
      key: `field '${this.field}'`,
      message:
        cause === undefined
          ? `has more than ${found}, which exceeds the maximum vocabulary size`
          : `has ${found}, and memory is exhausted`,
      fix:
        'set encoding: { name: hash, buckets: … }, which has no vocabulary, ' +
        'or encoding: ids if values are integers',
    };
    return userError('data', problem, cause);
  }

  /** Returns the indices of nonempty strings whose count satisfies a predicate. */
  #selectIndices(isMeant: (count: number) => boolean): Uint32Array {
    const { offsets } = this.#table;
    const indices = new Uint32Array(this.#size);
    let numSelected = 0;
    for (let i = 0; i < this.#size; i++)
      if (isMeant(this.#counts[i]!) && offsets[i + 1]! > offsets[i]!) indices[numSelected++] = i;
    return indices.subarray(0, numSelected);
  }

  /** Copies the strings of some indices, in their order. */
  #textsAt(order: Uint32Array): StringPool {
    const { bytes, offsets } = this.#table;
    let end = 0;
    for (const index of order) end += offsets[index + 1]! - offsets[index]!;
    const texts = createStringPool(order.length, end);
    end = 0;
    for (const [i, index] of order.entries()) {
      const to = offsets[index + 1]!;
      for (let from = offsets[index]!; from < to; from++) texts.bytes[end++] = bytes[from]!;
      texts.offsets[i + 1] = end;
    }
    return texts;
  }
}
