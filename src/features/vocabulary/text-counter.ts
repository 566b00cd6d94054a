import { userError } from '../../core/errors.js';
import { grown } from '../../core/grown.js';
import { addKey, createAppendOnlyTable, createKeyFinder, findKey, MAX_KEY_BYTES } from '../../core/key-table.js';
import { sortByCount } from '../../core/sort-by-count.js';
import { sortTexts } from './sort-texts.js';
import { createStringPool, type StringPool } from './string-pool.js';
import { createTextFinder, createUtf8Writer } from './utf8.js';
import { bytes as sizeText } from '../../text/number-text.js';

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
  readonly #table = createAppendOnlyTable();
  #counts = new Uint32Array(1 << 9);
  readonly #utf8 = createUtf8Writer();

  /**
   * @param field name for errors
   * @param maxBytes maximum total bytes of distinct strings
   */
  constructor(
    readonly field: string,
    readonly maxBytes = MAX_KEY_BYTES,
  ) {}

  /** Returns the id of a counted string, from 1; 0 if there is none. */
  numberOf(text: Uint8Array, begin: number, end: number): number {
    return findKey(this.#table, text, begin, end);
  }

  /** The same for a string. */
  readonly find = createTextFinder(this.#table);
  /** The same for many strings. */
  readonly numbersOf = createKeyFinder(this.#table);

  /** Increments the counts of the ids from `begin` to `end`. */
  countAgain(numbers: Float64Array, begin: number, end: number): void {
    const counts = this.#counts;
    for (let i = begin; i < end; i++) if (counts[numbers[i]! - 1]! < MAX_COUNT) counts[numbers[i]! - 1]!++;
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
    try {
      this.#counts = grown(this.#counts, this.#table.highest + 1);
      const id = addKey(this.#table, this.#utf8.bytes, 0, length, this.maxBytes);
      if (id > 0) return id;
    } catch (error) {
      throw error instanceof RangeError ? this.#tooMany(error) : error;
    }
    throw this.#tooMany();
  }

  /** All strings: that with an id is at index id - 1. Valid until the next string is added. */
  get texts(): StringPool {
    const { bytes, begins: offsets } = this.#table;
    return { bytes, offsets };
  }

  /** Returns all strings by id; index 0 is empty. */
  numbered(): StringPool {
    const { bytes, begins, numBytes, highest } = this.#table;
    const texts = createStringPool(highest + 1, numBytes);
    texts.bytes.set(bytes.subarray(0, numBytes));
    texts.offsets.set(begins.subarray(0, highest + 1), 1);
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
    const { begins, ends } = this.#table;
    const runs: [number, number][] = [];
    let [numStored, numBytes] = [0, 0];
    for (; numStored < Math.min(maxTexts, order.length); numStored++) {
      const index = order[numStored]!;
      numBytes += ends[index]! - begins[index]!;
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
    sortTexts(this.texts, order);
    sortByCount(order, this.#counts);
    return this.#textsAt(order);
  }

  #tooMany(cause?: unknown): Error {
    const found = `${this.#table.highest} distinct strings with ${sizeText(this.#table.numBytes)}`;
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
    const { begins, ends, highest } = this.#table;
    const indices = new Uint32Array(highest);
    let numSelected = 0;
    for (let i = 0; i < highest; i++)
      if (isMeant(this.#counts[i]!) && ends[i]! > begins[i]!) indices[numSelected++] = i;
    return indices.subarray(0, numSelected);
  }

  /** Copies the strings of some indices, in their order. */
  #textsAt(order: Uint32Array): StringPool {
    const { bytes, begins, ends } = this.#table;
    let end = 0;
    for (const index of order) end += ends[index]! - begins[index]!;
    const texts = createStringPool(order.length, end);
    end = 0;
    for (const [i, index] of order.entries()) {
      const to = ends[index]!;
      for (let from = begins[index]!; from < to; from++) texts.bytes[end++] = bytes[from]!;
      texts.offsets[i + 1] = end;
    }
    return texts;
  }
}
