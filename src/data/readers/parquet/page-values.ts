import type { HybridReader } from './hybrid.js';
import type { LeafDictionary } from './leaf-dictionary.js';
import type { ValueBuffer } from './value-buffer.js';
import { STRIDE, type Values } from './values.js';

/** The values of a page, which are appended to a buffer in order. */
export interface PageValues {
  /**
   * Appends `count` values, at most a stride, of which `present` are not null.
   * @param places indices of the values among the present ones, -1 for null; overwritten; default: consecutive
   * @throws Error for fewer values, and for an invalid index
   */
  appendTo(buffer: ValueBuffer, count: number, places: Int32Array | undefined, present: number): void;
  /** @throws Error if values remain */
  end(): void;
}

/** For the indices of one call. */
const indices = new Int32Array(STRIDE);

/** Values as indices into a dictionary. */
export class IndexValues implements PageValues {
  readonly #reader: HybridReader;
  readonly #dictionary: LeafDictionary;

  constructor(reader: HybridReader, dictionary: LeafDictionary) {
    this.#reader = reader;
    this.#dictionary = dictionary;
  }

  appendTo(buffer: ValueBuffer, count: number, places: Int32Array | undefined, present: number): void {
    const { missing } = this.#dictionary;
    this.#reader.read(indices, present);
    // Unsigned, so that negative indices are too large.
    for (let i = 0; i < present; i++)
      if (indices[i]! >>> 0 >= missing)
        throw new Error(`an index is ${indices[i]}, but its dictionary has ${missing} values`);
    if (places !== undefined)
      for (let i = 0; i < count; i++) places[i] = places[i]! < 0 ? missing : indices[places[i]!]!;
    buffer.appendIndices(this.#dictionary, places ?? indices, count);
  }

  /** Indices may go on: DuckDB pads the last run. */
  end(): void {}
}

/** Values that are stored in a page. */
export class StoredValues implements PageValues {
  /** Values from index `#base` on. */
  #values: Values;
  readonly #readFrom: (index: number) => Values;
  readonly #isPadded: boolean;
  #base = 0;
  /** Number of appended values. */
  #done = 0;

  /**
   * @param values the first ones: at least as many as a stride has, or all
   * @param readFrom returns such values from an index on
   * @param isPadded whether values may go on
   */
  constructor(values: Values, readFrom: (index: number) => Values, isPadded: boolean) {
    this.#values = values;
    this.#readFrom = readFrom;
    this.#isPadded = isPadded;
  }

  appendTo(buffer: ValueBuffer, count: number, places: Int32Array | undefined, present: number): void {
    const from = this.#done;
    this.#done += present;
    if (this.#done > this.#base + this.#values.count) {
      this.#values = this.#readFrom(from);
      this.#base = from;
    }
    const numKnown = this.#base + this.#values.count;
    if (this.#done > numKnown) throw new Error(`its levels declare more than its ${numKnown} values`);
    buffer.append(this.#values, from - this.#base, count, places, present);
  }

  end(): void {
    const numKnown = this.#base + this.#values.count;
    if (!this.#isPadded && this.#done < numKnown)
      throw new Error(`it has ${numKnown} values, but its levels declare ${this.#done}`);
  }
}
