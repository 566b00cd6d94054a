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
  /** Numbers of the values, NaN for null, if the leaf has numbers. */
  readonly numbers: Float64Array;
  /** Whether the number of a value is NaN. */
  readonly hasNaN: boolean;
  readonly #leaf: Leaf;
  readonly #memory: PageMemory;
  readonly #texts: (string | undefined)[];
  #textAt: At<string> | undefined;

  constructor(values: Values, leaf: Leaf, memory: PageMemory) {
    const { count } = values;
    const { number } = leaf.type;
    this.values = values;
    this.size = count + 1;
    this.numbers = new Float64Array(number === undefined ? 0 : this.size).fill(NaN);
    if (count > 0) number?.read(values, 0, count, this.numbers, 0);
    this.hasNaN = this.numbers.subarray(0, count).some(Number.isNaN);
    this.#leaf = leaf;
    this.#memory = memory;
    this.#texts = new Array<string | undefined>(takeMemory(memory, 8 * count) ? count : 0).fill(undefined);
  }

  /** Index of null. */
  get missing(): number {
    return this.size - 1;
  }

  text(index: number): string {
    if (index === this.missing) return '';
    const known = this.#texts[index];
    if (known !== undefined) return known;
    this.#textAt ??= this.#leaf.type.text(this.values);
    const text = this.#textAt(index);
    if (index < this.#texts.length && takeMemory(this.#memory, STRING_BYTES + text.length)) this.#texts[index] = text;
    return text;
  }
}

/** Reserves bytes for texts of dictionaries; returns false if too few remain. */
function takeMemory(memory: PageMemory, bytes: number): boolean {
  if (bytes > memory.textLeft) return false;
  memory.textLeft -= bytes;
  return true;
}
