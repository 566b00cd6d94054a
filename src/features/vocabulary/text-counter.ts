import { userError } from '../../errors.js';
import { sortByCount } from '../../sort-by-count.js';
import { sortTexts } from './sort-texts.js';
import { hashOf, idOf, moveSlots, slotOf, slotsFor } from './text-table.js';
import { createTexts, MAX_BYTES, type Texts } from './texts.js';
import { createUtf8Writer } from './utf8.js';

/** Counts texts: 8 bytes beside its own for each different one, and 12 to 24 for the way to it. */
export interface TextCounter {
  /** The number of a text that was counted before, from 1 on; 0 for another. */
  numberOf(text: Uint8Array, begin: number, end: number): number;
  /** Counts the text of a number once more. */
  countAgain(number: number): void;
  /** @throws UserError (data) where there is no room for another text */
  count(text: string): void;
  /**
   * The number of a text, a new one where it has none; counts nothing.
   * @throws UserError (data) where there is no room for another text
   */
  add(text: string): number;
  /** Every text that has a number, at the place of its number; nothing at place 0. */
  numbered(): Texts;
  /**
   * The texts that were counted `minCount` times at least, but for the empty one: the most frequent first, then in the order
   * that JavaScript gives them. Ends the counter, for its memory is needed.
   */
  frequent(minCount: number): Texts;
}

/** Where a count stays: no text that is more frequent than another by then needs to be told from it. */
const MAX_COUNT = 2 ** 32 - 1;

/**
 * An empty counter.
 * @param field whose texts are counted, for people
 * @param maxBytes of all different texts
 */
export function createTextCounter(field: string, maxBytes = MAX_BYTES): TextCounter {
  let table = { bytes: new Uint8Array(1 << 12), offsets: new Uint32Array(1 << 9), slots: new Int32Array(2 * slotsFor(0)!) };
  let counts = new Uint32Array(1 << 9);
  let size = 0;
  const utf8 = createUtf8Writer();

  const tooMany = (cause?: unknown): Error => {
    const found = `${size} different texts with ${table.offsets[size]!} bytes in all`;
    const message = cause === undefined ? `has more than ${found}, which is more than a vocabulary can hold` : `has ${found}, and there is no memory for more`;
    return userError('data', { key: `field '${field}'`, message, fix: 'give it the encoding { name: hash, buckets: … }, which keeps no texts, or the encoding ids if it holds numbers' }, cause);
  };
  const grow = (length: number): void => {
    const needed = table.offsets[size]! + length;
    const numSlots = slotsFor(size + 1);
    if (needed > maxBytes || numSlots === undefined) throw tooMany();
    try {
      if (needed > table.bytes.length) table.bytes = enlarged(table.bytes, Math.min(MAX_BYTES, Math.max(needed, 2 * table.bytes.length)));
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
  /** Appends a text that is not there. */
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

  const add = (text: string): number => {
    const length = utf8.write(text);
    const hash = hashOf(utf8.bytes, 0, length);
    const known = table.slots[slotOf(table, hash, utf8.bytes, 0, length) + 1]!;
    if (known === 0) append(hash, length);
    return known === 0 ? size : known;
  };

  return {
    numberOf: (text, begin, end) => idOf(table, text, begin, end),
    countAgain,
    count: (text) => countAgain(add(text)),
    add,
    numbered() {
      const texts = createTexts(size + 1, table.offsets[size]!);
      texts.bytes.set(table.bytes.subarray(0, table.offsets[size]));
      texts.offsets.set(table.offsets.subarray(0, size + 1), 1);
      return texts;
    },
    frequent(minCount) {
      const { bytes, offsets } = table;
      table = { bytes, offsets, slots: new Int32Array(0) };
      const isKept = (place: number): boolean => counts[place]! >= minCount && offsets[place + 1]! > offsets[place]!;
      let numKept = 0;
      let numBytes = 0;
      for (let place = 0; place < size; place++) {
        if (!isKept(place)) continue;
        numKept++;
        numBytes += offsets[place + 1]! - offsets[place]!;
      }
      const order = new Uint32Array(numKept);
      for (let place = 0, i = 0; place < size; place++) if (isKept(place)) order[i++] = place;
      sortTexts(table, order);
      sortByCount(order, counts);
      const texts = createTexts(numKept, numBytes);
      let end = 0;
      for (let i = 0; i < numKept; i++) {
        const to = offsets[order[i]! + 1]!;
        for (let from = offsets[order[i]!]!; from < to; from++) texts.bytes[end++] = bytes[from]!;
        texts.offsets[i + 1] = end;
      }
      return texts;
    },
  };
}

function enlarged<Data extends Uint8Array | Uint32Array>(data: Data, length: number): Data {
  // The constructor of a typed array of this kind: the checker knows only that of all kinds.
  const larger = new (data.constructor as new (length: number) => Data)(length);
  larger.set(data);
  return larger;
}
