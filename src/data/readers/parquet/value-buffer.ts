import { grown } from '../../../core/grown.js';
import type { Column, Utf8 } from '../../../chunks/column.js';
import type { LeafDictionary } from './leaf-dictionary.js';
import type { LeafType } from './leaf-type.js';
import { ValueStore, type Values } from './values.js';

/** Index of null among values that are not in a dictionary. */
const NULL = 2 ** 32 - 1;
/** Place of one value that is null. */
const NULL_PLACE = Int32Array.of(-1);
/** Bytes of a value's index or offset, and about as many for its conversion. */
const INDEX_BYTES = 8;

/** Values of a leaf for the rows of a slice: indices into one dictionary, or copies. Memory is reused. */
export class ValueBuffer {
  size = 0;
  readonly #type: LeafType;
  #dictionary: LeafDictionary | undefined;
  /** Indices into the dictionary, or into the copies. */
  #indices = new Uint32Array(0);
  readonly #copies: ValueStore;
  /** Whether values are copies. */
  #isPlain = false;
  #numbers = new Float64Array(0);

  /** @param width bytes of a value; 0 if they vary */
  constructor(type: LeafType, width: number) {
    this.#type = type;
    this.#copies = new ValueStore(width);
  }

  /** Bytes of the values. */
  get bytes(): number {
    return INDEX_BYTES * this.size + this.#copies.size;
  }

  /**
   * Appends `count` values of a page from index `from` on.
   * @param places their indices after `from`, -1 for null; default: consecutive
   * @param present number of values that are not null
   */
  append(values: Values, from: number, count: number, places?: Int32Array, present = count): void {
    this.#dropDictionary();
    const first = this.#copies.count;
    this.#copies.append(values, from, present);
    const indices = (this.#indices = grown(this.#indices, this.size + count));
    const at = this.size;
    if (places === undefined) for (let i = 0; i < count; i++) indices[at + i] = first + i;
    else for (let i = 0; i < count; i++) indices[at + i] = places[i]! < 0 ? NULL : first + places[i]!;
    this.size += count;
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
    this.#indices = grown(this.#indices, this.size + count);
    this.#indices.set(indices.subarray(0, count), this.size);
    this.size += count;
  }

  /** Returns the values, valid until the next ones are appended, and starts the next slice. */
  take(): Column {
    const { name: type, number, isUtf8, text: textAt, value: valueAt } = this.#type;
    const indices = this.#indices.subarray(0, this.size);
    const dictionary = this.#dictionary;
    const copies = this.#copies.take();
    this.size = 0;
    this.#dictionary = undefined;
    this.#isPlain = false;
    const { values, missing } = dictionary ?? { values: copies, missing: NULL };
    const value: Column['value'] = (row) => (indices[row] === missing ? null : valueAt(values, indices[row]!));
    const column: Column =
      dictionary !== undefined
        ? { type, text: (row) => dictionary.text(indices[row]!), dictionary: { indices, values: dictionary }, value }
        : {
            type,
            value,
            text: (row) => (indices[row] === NULL ? '' : textAt(copies, indices[row]!)),
            ...(isUtf8 === true && { utf8: utf8Of(copies, indices) }),
          };
    if (number === undefined) return column;
    let known: Column['numbers'];
    const get = (): Column['numbers'] =>
      (known ??= { values: this.#readNumbers(dictionary, copies, indices), isWhole: number.isWhole });
    // Consumers of a dictionary need no numbers.
    return Object.defineProperty(column, 'numbers', { enumerable: true, get });
  }

  #readNumbers(dictionary: LeafDictionary | undefined, copies: Values, indices: Uint32Array): Float64Array {
    const numbers = (this.#numbers = grown(this.#numbers, indices.length)).subarray(0, indices.length);
    if (dictionary !== undefined) {
      const distinct = dictionary.numbers;
      for (let i = 0; i < numbers.length; i++) numbers[i] = distinct[indices[i]!]!;
      return numbers;
    }
    this.#type.number!.read(copies, numbers);
    // Backward, since a number moves to the same or a later index.
    if (copies.count < numbers.length)
      for (let i = numbers.length - 1; i >= 0; i--) numbers[i] = indices[i] === NULL ? NaN : numbers[indices[i]!]!;
    return numbers;
  }

  /** Copies the values of the dictionary, since a page does not have it. */
  #dropDictionary(): void {
    if (this.#isPlain) return;
    this.#isPlain = true;
    const [dictionary, size] = [this.#dictionary, this.size];
    this.#dictionary = undefined;
    this.size = 0;
    if (dictionary !== undefined) this.appendIndices(dictionary, this.#indices, size);
  }
}

function utf8Of({ bytes, begins, ends, count }: Values, indices: Uint32Array): Utf8 {
  if (count === indices.length) return { bytes, begins, ends, stride: 1, gap: 0 };
  // Null is empty.
  const gather = (offsets: Uint32Array): Uint32Array => indices.map((index) => (index === NULL ? 0 : offsets[index]!));
  return { bytes, begins: gather(begins), ends: gather(ends), stride: 1, gap: 0 };
}
