import { END_OF_IDS } from '../../../chunks/casts.js';
import type { DictionaryValues } from '../../../chunks/column.js';
import type { LeafType } from './leaf-type.js';
import type { Values } from './values.js';

/** Bytes of a string besides its characters. */
const STRING_BYTES = 32;

/** Values of a dictionary page, and null as a last value with an empty text. */
export class LeafDictionary implements DictionaryValues {
  readonly values: Values;
  readonly size: number;
  readonly #type: LeafType;
  /** Texts that were read; undefined if they exceed their memory. */
  readonly #texts: (string | undefined)[] | undefined;
  #numbers: Float64Array | undefined;
  #ids: Uint32Array | undefined;

  /** @param textBytes maximum bytes of texts */
  constructor(values: Values, type: LeafType, textBytes: number) {
    this.values = values;
    this.size = values.count + 1;
    this.#type = type;
    const isSmall = values.bytes.length + STRING_BYTES * values.count <= textBytes;
    if (isSmall) this.#texts = new Array<string | undefined>(values.count).fill(undefined);
  }

  /** Index of the null value. */
  get missing(): number {
    return this.size - 1;
  }

  /** Numbers of the values, NaN for null; only for a leaf of numbers. */
  get numbers(): Float64Array {
    if (this.#numbers === undefined) {
      this.#numbers = new Float64Array(this.size);
      this.#type.number!.read(this.values, this.#numbers);
      this.#numbers[this.missing] = NaN;
    }
    return this.#numbers;
  }

  get ids(): Uint32Array | undefined {
    if (this.#type.number?.isWhole !== true) return undefined;
    if (this.#ids === undefined) {
      const { numbers } = this;
      this.#ids = new Uint32Array(numbers.length);
      // `from` with a function is several times as slow.
      for (let i = 0; i < numbers.length; i++)
        this.#ids[i] = numbers[i]! >= 0 && numbers[i]! < END_OF_IDS ? numbers[i]! : -1;
    }
    return this.#ids;
  }

  text(index: number): string {
    if (index === this.missing) return '';
    const { text } = this.#type;
    return this.#texts === undefined ? text(this.values, index) : (this.#texts[index] ??= text(this.values, index));
  }
}
