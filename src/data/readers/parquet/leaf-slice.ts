import type { Column } from '../../../chunks/column.js';
import { cellText } from '../../files/cell-text.js';
import type { Leaf } from './column-plan.js';
import { STRING_BYTES, type LeafDictionary } from './leaf-dictionary.js';
import type { NumberType } from './leaf-type.js';
import { STRIDE } from './page-memory.js';
import type { Values } from './values.js';

/** Values of a leaf for the rows of a slice. Memory is reused for the next slice. */
export interface LeafSlice {
  /** Number of values. */
  readonly size: number;
  /** Bytes of the values. */
  readonly bytes: number;
  /** Appends `count` values of a page from index `from` on. */
  appendPlain(values: Values, from: number, count: number): void;
  /** Appends `count` values of a page from index `from` on by their indices after it; -1 is null. */
  appendOptional(values: Values, from: number, places: Int32Array, count: number): void;
  /** Appends `count` values by their indices in a dictionary; -1 is null. */
  appendPlaces(dictionary: LeafDictionary, places: Int32Array, count: number): void;
  /** Returns the values, valid until the next `append…`, and starts the next slice. */
  take(): Column;
}

/** Creates the slice of a leaf. */
export function createLeafSlice(leaf: Leaf, capacity: number): LeafSlice {
  return leaf.type.number === undefined
    ? new TextSlice(leaf, capacity)
    : new NumberSlice(leaf, leaf.type.number, capacity);
}

/** Values of a leaf of numbers. */
class NumberSlice implements LeafSlice {
  size = 0;
  readonly #leaf: Leaf;
  readonly #number: NumberType;
  readonly #one = new Float64Array(STRIDE);
  #numbers: Float64Array;
  /** Texts of values whose number is NaN, empty for others; fewer than values. */
  #texts: string[] = [];
  #textBytes = 0;

  constructor(leaf: Leaf, number: NumberType, capacity: number) {
    this.#leaf = leaf;
    this.#number = number;
    this.#numbers = new Float64Array(capacity);
  }

  get bytes(): number {
    return 8 * this.size + this.#textBytes;
  }

  appendPlain(values: Values, from: number, count: number): void {
    const at = this.#grow(count);
    this.#number.read(values, from, count, this.#numbers, at);
    if (this.#number.inexact === 'none') return;
    const numbers = this.#numbers;
    const text = this.#leaf.type.text(values);
    for (let i = 0; i < count; i++) if (Number.isNaN(numbers[at + i])) this.#addText(at + i, text(from + i));
  }

  appendOptional(values: Values, from: number, places: Int32Array, count: number): void {
    let present = 0;
    for (let i = 0; i < count; i++) if (places[i]! >= 0) present++;
    this.#number.read(values, from, present, this.#one, 0);
    const text = this.#number.inexact === 'none' ? undefined : this.#leaf.type.text(values);
    this.#appendNumbers(this.#one, places, count, text && ((place) => text(from + place)));
  }

  appendPlaces(dictionary: LeafDictionary, places: Int32Array, count: number): void {
    const text = dictionary.hasNaN ? (place: number): string => dictionary.text(place) : undefined;
    this.#appendNumbers(dictionary.numbers, places, count, text);
  }

  take(): Column {
    const values = this.#numbers.subarray(0, this.size);
    const texts = this.#texts;
    const { isWhole, text } = this.#number;
    this.size = 0;
    if (texts.length > 0) this.#texts = [];
    this.#textBytes = 0;
    return {
      type: this.#leaf.type.name,
      numbers: { values, isWhole },
      text: (row) => (Number.isNaN(values[row]!) ? (texts[row] ?? '') : text(values[row]!)),
    };
  }

  #appendNumbers(
    from: Float64Array,
    places: Int32Array,
    count: number,
    text: ((place: number) => string) | undefined,
  ): void {
    const at = this.#grow(count);
    const numbers = this.#numbers;
    for (let i = 0; i < count; i++) {
      const place = places[i]!;
      numbers[at + i] = place < 0 ? NaN : from[place]!;
    }
    if (text === undefined) return;
    for (let i = 0; i < count; i++)
      if (places[i]! >= 0 && Number.isNaN(numbers[at + i])) this.#addText(at + i, text(places[i]!));
  }

  #addText(at: number, text: string): void {
    while (this.#texts.length < at) this.#texts.push('');
    this.#texts.push(text);
    this.#textBytes += STRING_BYTES + text.length;
  }

  /** Adds `count` values and returns the index of the first one. */
  #grow(count: number): number {
    const at = this.size;
    this.size += count;
    this.#numbers = grown(this.#numbers, this.size, Float64Array);
    return at;
  }
}

/**
 * Values of a leaf that have only a text: indices into a dictionary if all are from one, else UTF-8 of strings, or
 * texts.
 */
class TextSlice implements LeafSlice {
  size = 0;
  readonly #leaf: Leaf;
  #dictionary: LeafDictionary | undefined;
  #indices: Uint32Array;
  /** Whether values are stored without a dictionary: strings in `#utf8` at begins and ends, others in `#texts`. */
  #isPlain = false;
  #utf8 = Buffer.alloc(0);
  #utf8Size = 0;
  #begins = new Uint32Array(0);
  #ends = new Uint32Array(0);
  #texts: string[] = [];
  #textBytes = 0;

  constructor(leaf: Leaf, capacity: number) {
    this.#leaf = leaf;
    this.#indices = new Uint32Array(capacity);
  }

  get bytes(): number {
    return 4 * this.size + (this.#isPlain ? 4 * this.size + this.#utf8Size + this.#textBytes : 0);
  }

  appendPlain(values: Values, from: number, count: number): void {
    this.#startPlain();
    if (this.#leaf.type.isUtf8 === true && values.kind === 'bytes') this.#appendUtf8(values, from, undefined, count);
    else this.#appendTexts(this.#leaf.type.text(values), from, undefined, count);
  }

  appendOptional(values: Values, from: number, places: Int32Array, count: number): void {
    this.#startPlain();
    if (this.#leaf.type.isUtf8 === true && values.kind === 'bytes') this.#appendUtf8(values, from, places, count);
    else this.#appendTexts(this.#leaf.type.text(values), from, places, count);
  }

  appendPlaces(dictionary: LeafDictionary, places: Int32Array, count: number): void {
    this.#dictionary ??= this.#isPlain ? undefined : dictionary;
    if (this.#dictionary !== dictionary) {
      this.appendOptional(dictionary.values, 0, places, count);
      return;
    }
    const at = this.size;
    this.size += count;
    this.#indices = grown(this.#indices, this.size, Uint32Array);
    const indices = this.#indices;
    const missing = dictionary.size - 1;
    for (let i = 0; i < count; i++) {
      const place = places[i]!;
      indices[at + i] = place < 0 ? missing : place;
    }
  }

  take(): Column {
    const { name: type, isUtf8 } = this.#leaf.type;
    const [size, dictionary] = [this.size, this.#dictionary];
    const [utf8, begins, ends, texts] = [this.#utf8, this.#begins, this.#ends, this.#texts];
    this.size = 0;
    this.#dictionary = undefined;
    this.#isPlain = false;
    this.#utf8Size = 0;
    this.#texts = [];
    this.#textBytes = 0;
    if (dictionary !== undefined) {
      const indices = this.#indices.subarray(0, size);
      return { type, text: (row) => dictionary.text(indices[row]!), dictionary: { indices, values: dictionary } };
    }
    if (isUtf8 !== true) return { type, text: (row) => texts[row]! };
    return {
      type,
      text: (row) => cellText(utf8, begins[row], ends[row]),
      utf8: { bytes: utf8, begins, ends, stride: 1, gap: 0 },
    };
  }

  /** Stores the values without their dictionary, for a page that does not have it. */
  #startPlain(): void {
    if (this.#isPlain) return;
    this.#isPlain = true;
    const dictionary = this.#dictionary;
    if (dictionary === undefined) return;
    this.#dictionary = undefined;
    const places = Int32Array.from(this.#indices.subarray(0, this.size), (index) =>
      index === dictionary.size - 1 ? -1 : index,
    );
    this.size = 0;
    this.appendOptional(dictionary.values, 0, places, places.length);
  }

  #appendTexts(text: (place: number) => string, from: number, places: Int32Array | undefined, count: number): void {
    this.size += count;
    for (let i = 0; i < count; i++) {
      const place = places === undefined ? i : places[i]!;
      const value = place < 0 ? '' : text(from + place);
      this.#textBytes += STRING_BYTES + value.length;
      this.#texts.push(value);
    }
  }

  #appendUtf8(
    { bytes, begins, gap }: Extract<Values, { kind: 'bytes' }>,
    from: number,
    places: Int32Array | undefined,
    count: number,
  ): void {
    const at = this.size;
    this.size += count;
    this.#begins = grown(this.#begins, this.size, Uint32Array);
    this.#ends = grown(this.#ends, this.size, Uint32Array);
    let size = this.#utf8Size;
    for (let i = 0; i < count; i++) {
      const place = places === undefined ? i : places[i]!;
      const begin = place < 0 ? 0 : begins[from + place]!;
      const end = place < 0 ? 0 : begins[from + place + 1]! - gap;
      if (size + end - begin > this.#utf8.length) {
        const larger = Buffer.allocUnsafeSlow(2 * (size + end - begin));
        this.#utf8.copy(larger, 0, 0, size);
        this.#utf8 = larger;
      }
      this.#begins[at + i] = size;
      const utf8 = this.#utf8;
      // Faster than Buffer.copy for short values.
      if (end - begin < 64) for (let byte = begin; byte < end; byte++) utf8[size++] = bytes[byte]!;
      else size += bytes.copy(utf8, size, begin, end);
      this.#ends[at + i] = size;
    }
    this.#utf8Size = size;
  }
}

/** Returns an array of at least `size` elements that begins with those of another. */
export function grown<Data extends Float64Array | Uint32Array>(
  data: Data,
  size: number,
  type: new (length: number) => Data,
): Data {
  if (size <= data.length) return data;
  const larger = new type(2 * size);
  larger.set(data);
  return larger;
}
