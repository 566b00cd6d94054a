import type { Column, Numbers } from '../../../chunks/column.js';
import { cellText } from '../cell-text.js';
import { STRING_BYTES, type LeafDictionary } from './leaf-dictionary.js';
import type { LeafType, NumberType } from './leaf-type.js';
import { STRIDE, type Values } from './values.js';

/**
 * Values of a leaf for the rows of a slice: indices if all are from one dictionary; else numbers, UTF-8 of strings, or
 * texts of others. Memory is reused for the next slice.
 */
export class ValueBuffer {
  /** Number of values. */
  size = 0;
  readonly #type: LeafType;
  #dictionary: LeafDictionary | undefined;
  #indices = new Uint32Array(0);
  /** Whether values are stored without a dictionary. */
  #isPlain = false;
  #numbers = new Float64Array(0);
  readonly #present = new Float64Array(STRIDE);
  #utf8 = new Uint8Array(0);
  #utf8Size = 0;
  #begins = new Uint32Array(0);
  #ends = new Uint32Array(0);
  /** Texts of values that are neither strings nor numbers, or whose number is NaN; fewer than values. */
  #texts: string[] = [];
  #textBytes = 0;

  constructor(type: LeafType) {
    this.#type = type;
  }

  /** Bytes of the values. */
  get bytes(): number {
    return (this.#isPlain ? 8 : 4) * this.size + this.#utf8Size + this.#textBytes;
  }

  /**
   * Appends `count` values of a page from index `from` on.
   * @param places their indices after `from`, -1 for null; default: consecutive
   * @param present number of values that are not null
   */
  append(values: Values, from: number, count: number, places?: Int32Array, present = count): void {
    this.#dropDictionary();
    const at = this.size;
    this.size += count;
    const { number, isUtf8, text } = this.#type;
    if (isUtf8 === true) return this.#appendUtf8(values, from, at, count, places, present);
    if (number !== undefined) this.#appendNumbers(number, values, from, at, count, places, present);
    if (number?.mayBeNaN === false) return;
    const textAt = text(values);
    for (let i = 0; i < count; i++) {
      const place = places === undefined ? i : places[i]!;
      if (number === undefined || (place >= 0 && Number.isNaN(this.#numbers[at + i])))
        this.#addText(at + i, place < 0 ? '' : textAt(from + place));
    }
  }

  /** Appends `count` values by their indices in a dictionary. */
  appendIndices(dictionary: LeafDictionary, indices: Int32Array | Uint32Array, count: number): void {
    if (this.#isPlain || (this.#dictionary ?? dictionary) !== dictionary) {
      const { values, missing } = dictionary;
      for (const index of indices.subarray(0, count))
        if (index === missing) this.append(values, 0, 1, NULL_PLACE, 0);
        else this.append(values, index, 1);
      return;
    }
    this.#dictionary = dictionary;
    this.#indices = grown(this.#indices, this.size + count, Uint32Array);
    this.#indices.set(indices.subarray(0, count), this.size);
    this.size += count;
  }

  /** Returns the values, valid until the next ones are appended, and starts the next slice. */
  take(): Column {
    const column = this.#dictionary === undefined ? this.#plainColumn() : this.#dictionaryColumn(this.#dictionary);
    this.size = 0;
    this.#dictionary = undefined;
    this.#isPlain = false;
    this.#utf8Size = 0;
    this.#texts = [];
    this.#textBytes = 0;
    return column;
  }

  #dictionaryColumn(values: LeafDictionary): Column {
    const { name: type, number } = this.#type;
    const indices = this.#indices.subarray(0, this.size);
    const column: Column = { type, text: (row) => values.text(indices[row]!), dictionary: { indices, values } };
    if (number === undefined) return column;
    let known: Numbers | undefined;
    const numbersOf = (): Numbers => ({ values: this.#gather(values.numbers, indices), isWhole: number.isWhole });
    // Consumers of the dictionary need no numbers.
    return Object.defineProperty(column, 'numbers', { enumerable: true, get: () => (known ??= numbersOf()) });
  }

  #gather(numbers: Float64Array, indices: Uint32Array): Float64Array {
    const values = (this.#numbers = grown(this.#numbers, indices.length, Float64Array)).subarray(0, indices.length);
    for (let i = 0; i < values.length; i++) values[i] = numbers[indices[i]!]!;
    return values;
  }

  #plainColumn(): Column {
    const { name: type, number, isUtf8 } = this.#type;
    const texts = this.#texts;
    if (isUtf8 === true) {
      const bytes = Buffer.from(this.#utf8.buffer, 0, this.#utf8Size);
      const [begins, ends] = [this.#begins, this.#ends];
      const text = (row: number): string => cellText(bytes, begins[row], ends[row]);
      return { type, text, utf8: { bytes, begins, ends, stride: 1, gap: 0 } };
    }
    if (number === undefined) return { type, text: (row) => texts[row]! };
    const values = this.#numbers.subarray(0, this.size);
    const text = (row: number): string => (Number.isNaN(values[row]) ? (texts[row] ?? '') : number.text(values[row]!));
    return { type, text, numbers: { values, isWhole: number.isWhole } };
  }

  /** Stores the values without their dictionary, since a page does not have it. */
  #dropDictionary(): void {
    if (this.#isPlain) return;
    this.#isPlain = true;
    const [dictionary, size] = [this.#dictionary, this.size];
    this.#dictionary = undefined;
    this.size = 0;
    if (dictionary !== undefined) this.appendIndices(dictionary, this.#indices, size);
  }

  #appendNumbers(
    number: NumberType,
    values: Values,
    from: number,
    at: number,
    count: number,
    places: Int32Array | undefined,
    numPresent: number,
  ): void {
    const numbers = (this.#numbers = grown(this.#numbers, this.size, Float64Array));
    if (places === undefined) return number.read(values, from, count, numbers, at);
    const present = this.#present;
    number.read(values, from, numPresent, present, 0);
    for (let i = 0; i < count; i++) numbers[at + i] = places[i]! < 0 ? NaN : present[places[i]!]!;
  }

  #appendUtf8(
    { bytes, begins, gap }: Values,
    from: number,
    at: number,
    count: number,
    places: Int32Array | undefined,
    numPresent: number,
  ): void {
    const ownBegins = (this.#begins = grown(this.#begins, this.size, Uint32Array));
    const ownEnds = (this.#ends = grown(this.#ends, this.size, Uint32Array));
    // All bytes of the values at once, with the gaps between them.
    const begin = begins[from]!;
    const end = begins[from + numPresent]!;
    const moved = this.#utf8Size - begin;
    this.#utf8 = grown(this.#utf8, moved + end, Uint8Array);
    this.#utf8.set(bytes.subarray(begin, end), this.#utf8Size);
    this.#utf8Size = moved + end;
    for (let i = 0; i < count; i++) {
      const place = from + (places === undefined ? i : places[i]!);
      ownBegins[at + i] = place < from ? 0 : begins[place]! + moved;
      ownEnds[at + i] = place < from ? 0 : begins[place + 1]! - gap + moved;
    }
  }

  #addText(at: number, text: string): void {
    while (this.#texts.length < at) this.#texts.push('');
    this.#texts.push(text);
    this.#textBytes += STRING_BYTES + text.length;
  }
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
