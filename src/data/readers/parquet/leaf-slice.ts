import type { Column } from '../../../chunks/column.js';
import { cellText } from '../cell-text.js';
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
  /** Appends `count` values by their indices in a dictionary. */
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
    const at = this.#grow(count);
    const [one, numbers] = [this.#one, this.#numbers];
    this.#number.read(values, from, countPresent(places, count), one, 0);
    for (let i = 0; i < count; i++) numbers[at + i] = places[i]! < 0 ? NaN : one[places[i]!]!;
    if (this.#number.inexact === 'none') return;
    const text = this.#leaf.type.text(values);
    for (let i = 0; i < count; i++)
      if (places[i]! >= 0 && Number.isNaN(numbers[at + i])) this.#addText(at + i, text(from + places[i]!));
  }

  appendPlaces(dictionary: LeafDictionary, places: Int32Array, count: number): void {
    const at = this.#grow(count);
    const [from, numbers] = [dictionary.numbers, this.#numbers];
    for (let i = 0; i < count; i++) numbers[at + i] = from[places[i]!]!;
    if (!dictionary.hasNaN) return;
    for (let i = 0; i < count; i++)
      if (places[i] !== dictionary.missing && Number.isNaN(numbers[at + i]))
        this.#addText(at + i, dictionary.text(places[i]!));
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
  #utf8 = new Uint8Array(0);
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
    this.#append(values, from, undefined, count);
  }

  appendOptional(values: Values, from: number, places: Int32Array, count: number): void {
    this.#append(values, from, places, count);
  }

  appendPlaces(dictionary: LeafDictionary, places: Int32Array, count: number): void {
    this.#dictionary ??= this.#isPlain ? undefined : dictionary;
    if (this.#dictionary !== dictionary) {
      for (let i = 0; i < count; i++) this.#appendPlace(dictionary, places[i]!);
      return;
    }
    this.#indices = grown(this.#indices, this.size + count, Uint32Array);
    this.#indices.set(places.subarray(0, count), this.size);
    this.size += count;
  }

  take(): Column {
    const { name: type, isUtf8 } = this.#leaf.type;
    const [size, dictionary] = [this.size, this.#dictionary];
    const { buffer, byteOffset } = this.#utf8;
    const utf8 = Buffer.from(buffer, byteOffset, this.#utf8Size);
    const [begins, ends, texts] = [this.#begins, this.#ends, this.#texts];
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

  #append(values: Values, from: number, places: Int32Array | undefined, count: number): void {
    if (!this.#isPlain) this.#startPlain();
    if (this.#leaf.type.isUtf8 === true && values.kind === 'bytes') this.#appendUtf8(values, from, places, count);
    else this.#appendTexts(this.#leaf.type.text(values), from, places, count);
  }

  /** Stores the values without their dictionary, since a page does not have it. */
  #startPlain(): void {
    this.#isPlain = true;
    const [dictionary, size] = [this.#dictionary, this.size];
    this.#dictionary = undefined;
    this.size = 0;
    if (dictionary === undefined) return;
    for (let i = 0; i < size; i++) this.#appendPlace(dictionary, this.#indices[i]!);
  }

  #appendPlace({ values, missing }: LeafDictionary, place: number): void {
    if (place === missing) this.#append(values, 0, NULL_PLACE, 1);
    else this.#append(values, place, undefined, 1);
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
    const [at, to] = [this.size, this.#utf8Size];
    this.size += count;
    this.#begins = grown(this.#begins, this.size, Uint32Array);
    this.#ends = grown(this.#ends, this.size, Uint32Array);
    const present = places === undefined ? count : countPresent(places, count);
    // All bytes of the values at once, with the gaps between them.
    const begin = begins[from]!;
    const end = begins[from + present]!;
    this.#utf8Size = to + end - begin;
    this.#utf8 = grown(this.#utf8, this.#utf8Size, Uint8Array);
    this.#utf8.set(bytes.subarray(begin, end), to);
    const [begun, ended] = [this.#begins, this.#ends];
    const moved = to - begin;
    for (let i = 0; i < count; i++) {
      const place = from + (places === undefined ? i : places[i]!);
      const isNull = place < from;
      begun[at + i] = isNull ? 0 : begins[place]! + moved;
      ended[at + i] = isNull ? 0 : begins[place + 1]! - gap + moved;
    }
  }
}

function countPresent(places: Int32Array, count: number): number {
  let present = 0;
  for (let i = 0; i < count; i++) if (places[i]! >= 0) present++;
  return present;
}

/** The index of one value that is null. */
const NULL_PLACE = Int32Array.of(-1);

/** Returns an array of at least `size` elements that begins with those of another. */
export function grown<Data extends Float64Array | Uint32Array | Uint8Array>(
  data: Data,
  size: number,
  type: new (length: number) => Data,
): Data {
  if (size <= data.length) return data;
  const larger = new type(2 * size);
  larger.set(data);
  return larger;
}
