import type { EncodeAll } from '../../chunks/casts.js';
import { userError } from '../../core/errors.js';
import { sortByCount } from '../../core/sort-by-count.js';
import { sortTexts } from './sort-texts.js';
import { findIds, hashText, idOf, moveSlots, slotOf, slotsFor } from './text-table.js';
import { createStringPool, MAX_BYTES, type StringPool } from './string-pool.js';
import { createUtf8Writer } from './utf8.js';

/** Strings below the minimum count, by decreasing count, then in order of appearance. */
export interface RareTexts {
  readonly texts: StringPool;
  /** Run-length encoded counts: pairs of a count and the number of strings that have it. */
  readonly counts: readonly (readonly [count: number, texts: number])[];
}

/** Counts strings; uses 8 bytes per distinct string besides its own, and 12 to 24 for the hash table. */
export interface TextCounter {
  /** Returns the id of a counted string, from 1; 0 if there is none. */
  numberOf(text: Uint8Array, begin: number, end: number): number;
  /** The same for many strings. */
  readonly numbersOf: EncodeAll;
  /** Increments the count of an id. */
  countAgain(number: number): void;
  /**
   * Counts a string.
   * @param times default: 1
   * @throws UserError (data) if the vocabulary is full
   */
  count(text: string, times?: number): void;
  /**
   * Returns the id of a string, adding it without counting if it is new.
   * @throws UserError (data) if the vocabulary is full
   */
  add(text: string): number;
  /** Returns all strings by id; index 0 is empty. */
  numbered(): StringPool;
  /**
   * Returns the nonempty strings that were counted less than `minCount` times, with their counts.
   * @param maxTexts maximum number, most frequent first; default: 1,048,576
   * @param maxBytes maximum total size; default: 64 MiB
   */
  rare(minCount: number, maxTexts?: number, maxBytes?: number): RareTexts;
  /**
   * Returns the nonempty strings that were counted at least `minCount` times: most frequent first, then in JavaScript's
   * order. Ends the counter to release its memory.
   */
  frequent(minCount: number): StringPool;
}

/** Counts saturate here: the order of more frequent strings does not matter. */
const MAX_COUNT = 2 ** 32 - 1;

/** Limits of rare strings, which are part of every checkpoint. */
const [MAX_RARE_TEXTS, MAX_RARE_BYTES] = [1 << 20, 1 << 26];

/**
 * Creates an empty counter.
 * @param field name for errors
 * @param maxBytes maximum total bytes of distinct strings
 */
export function createTextCounter(field: string, maxBytes = MAX_BYTES): TextCounter {
  let table = {
    bytes: new Uint8Array(1 << 12),
    offsets: new Uint32Array(1 << 9),
    slots: new Int32Array(2 * slotsFor(0)!),
  };
  let counts = new Uint32Array(1 << 9);
  let size = 0;
  const utf8 = createUtf8Writer();

  const tooMany = (cause?: unknown): Error => {
    const found = `${size} distinct strings with ${table.offsets[size]!} bytes`;
    const message =
      cause === undefined
        ? `has more than ${found}, which exceeds the maximum vocabulary size`
        : `has ${found}, and memory is exhausted`;
    return userError(
      'data',
      {
        key: `field '${field}'`,
        message,
        fix:
          'set encoding: { name: hash, buckets: … }, which has no vocabulary, ' +
          'or encoding: ids if values are integers',
      },
      cause,
    );
  };
  const grow = (length: number): void => {
    const needed = table.offsets[size]! + length;
    const numSlots = slotsFor(size + 1);
    if (needed > maxBytes || numSlots === undefined) throw tooMany();
    try {
      if (needed > table.bytes.length)
        table.bytes = enlarged(table.bytes, Math.min(MAX_BYTES, Math.max(needed, 2 * table.bytes.length)));
      if (size + 2 > table.offsets.length) table.offsets = enlarged(table.offsets, 2 * table.offsets.length);
      if (size + 1 > counts.length) counts = enlarged(counts, 2 * counts.length);
      if (2 * numSlots > table.slots.length) {
        const slots = new Int32Array(2 * numSlots);
        moveSlots(table.slots, slots);
        table.slots = slots;
      }
    } catch (error) {
      throw error instanceof RangeError ? tooMany(error) : error;
    }
  };
  /** Appends a new string. */
  const append = (hash: number, length: number): void => {
    grow(length);
    const { bytes, offsets, slots } = table;
    const slot = slotOf(table, hash, utf8.bytes, 0, length);
    const begin = offsets[size]!;
    for (let i = 0; i < length; i++) bytes[begin + i] = utf8.bytes[i]!;
    offsets[++size] = begin + length;
    slots[slot] = hash;
    slots[slot + 1] = size;
  };
  const countAgain = (number: number): void => {
    if (counts[number - 1]! < MAX_COUNT) counts[number - 1]!++;
  };
  /** Copies the strings of some indices, in their order. */
  const textsAt = (order: Uint32Array): StringPool => {
    const { bytes, offsets } = table;
    let end = 0;
    for (const place of order) end += offsets[place + 1]! - offsets[place]!;
    const texts = createStringPool(order.length, end);
    end = 0;
    for (const [i, place] of order.entries()) {
      const to = offsets[place + 1]!;
      for (let from = offsets[place]!; from < to; from++) texts.bytes[end++] = bytes[from]!;
      texts.offsets[i + 1] = end;
    }
    return texts;
  };
  /** Returns the indices of nonempty strings whose count satisfies a predicate. */
  const selectIndices = (isMeant: (count: number) => boolean): Uint32Array => {
    const { offsets } = table;
    const isSelected = (place: number): boolean => isMeant(counts[place]!) && offsets[place + 1]! > offsets[place]!;
    let numSelected = 0;
    for (let place = 0; place < size; place++) if (isSelected(place)) numSelected++;
    const places = new Uint32Array(numSelected);
    for (let place = 0, i = 0; place < size; place++) if (isSelected(place)) places[i++] = place;
    return places;
  };

  const add = (text: string): number => {
    const length = utf8.write(text);
    const hash = hashText(utf8.bytes, 0, length);
    const known = table.slots[slotOf(table, hash, utf8.bytes, 0, length) + 1]!;
    if (known === 0) append(hash, length);
    return known === 0 ? size : known;
  };

  return {
    numberOf: (text, begin, end) => idOf(table, text, begin, end),
    numbersOf: (cells, rows, into, first) => findIds(table, cells, rows, into, first),
    countAgain,
    count(text, times = 1) {
      const number = add(text);
      counts[number - 1] = Math.min(MAX_COUNT, counts[number - 1]! + times);
    },
    add,
    numbered() {
      const texts = createStringPool(size + 1, table.offsets[size]!);
      texts.bytes.set(table.bytes.subarray(0, table.offsets[size]));
      texts.offsets.set(table.offsets.subarray(0, size + 1), 1);
      return texts;
    },
    rare(minCount, maxTexts = MAX_RARE_TEXTS, maxBytes = MAX_RARE_BYTES) {
      const order = selectIndices((count) => count > 0 && count < minCount);
      sortByCount(order, counts);
      const { offsets } = table;
      const runs: [number, number][] = [];
      let [numStored, numBytes] = [0, 0];
      for (; numStored < Math.min(maxTexts, order.length); numStored++) {
        const place = order[numStored]!;
        numBytes += offsets[place + 1]! - offsets[place]!;
        if (numBytes > maxBytes) break;
        const last = runs.at(-1);
        if (last !== undefined && last[0] === counts[place]) last[1]++;
        else runs.push([counts[place]!, 1]);
      }
      return { texts: textsAt(order.subarray(0, numStored)), counts: runs };
    },
    frequent(minCount) {
      table = { ...table, slots: new Int32Array(0) };
      const order = selectIndices((count) => count >= minCount);
      sortTexts(table, order);
      sortByCount(order, counts);
      return textsAt(order);
    },
  };
}

function enlarged<Data extends Uint8Array | Uint32Array>(data: Data, length: number): Data {
  // TypeScript does not infer the constructor of this array type.
  const larger = new (data.constructor as new (length: number) => Data)(length);
  larger.set(data);
  return larger;
}
