import { END_OF_IDS } from '../../../chunks/casts.js';
import type { DictionaryValues } from '../../../chunks/column.js';
import type { Leaf } from './column-plan.js';
import type { At } from './leaf-type.js';
import type { PageMemory } from './page-memory.js';
import type { Values } from './values.js';

/** Bytes of a string beside its characters. */
export const STRING_BYTES = 32;

/** Values of a dictionary page, and null as a last value with an empty text. */
export class LeafDictionary implements DictionaryValues {
  readonly values: Values;
  readonly size: number;
  readonly #leaf: Leaf;
  readonly #memory: Pick<PageMemory, 'reserveTexts'>;
  readonly #texts: (string | undefined)[];
  #textAt: At<string> | undefined;
  #numbers: Float64Array | undefined;
  #ids: Uint32Array | undefined;

  constructor(values: Values, leaf: Leaf, memory: Pick<PageMemory, 'reserveTexts'>) {
    this.values = values;
    this.size = values.count + 1;
    this.#leaf = leaf;
    this.#memory = memory;
    const numTexts = memory.reserveTexts(8 * values.count) ? values.count : 0;
    this.#texts = new Array<string | undefined>(numTexts).fill(undefined);
  }

  /** Index of null. */
  get missing(): number {
    return this.size - 1;
  }

  /** Numbers of the values, NaN for null; only for a leaf of numbers. */
  get numbers(): Float64Array {
    if (this.#numbers === undefined) {
      this.#numbers = new Float64Array(this.size).fill(NaN);
      this.#leaf.type.number!.read(this.values, 0, this.missing, this.#numbers, 0);
    }
    return this.#numbers;
  }

  get ids(): Uint32Array | undefined {
    if (this.#leaf.type.number?.isWhole !== true) return undefined;
    return (this.#ids ??= Uint32Array.from(this.numbers, (number) =>
      number >= 0 && number < END_OF_IDS ? number : -1,
    ));
  }

  text(index: number): string {
    if (index === this.missing) return '';
    const known = this.#texts[index];
    if (known !== undefined) return known;
    this.#textAt ??= this.#leaf.type.text(this.values);
    const text = this.#textAt(index);
    if (index < this.#texts.length && this.#memory.reserveTexts(STRING_BYTES + text.length)) this.#texts[index] = text;
    return text;
  }
}
