import type { ArrayColumn } from '../../core/batch.js';
import { grown } from '../../core/grown.js';

/** Counts by key, with sums per key. */
export class Tally {
  /** Keys in the order of their first appearance. */
  readonly keys: number[] = [];
  /** Count of all keys. */
  total = 0;
  readonly #offsets = new Map<number, number>();
  readonly #width: number;
  #sums: Float64Array;

  /** @param numSums number of sums per key */
  constructor(numSums = 0) {
    this.#width = numSums + 1;
    this.#sums = new Float64Array(64 * this.#width);
  }

  /** Increments the count of a key, and adds `amounts` to its sums. */
  add(key: number, amounts: readonly number[] = []): void {
    let at = this.#offsets.get(key);
    if (at === undefined) {
      at = this.keys.length * this.#width;
      this.#offsets.set(key, at);
      this.keys.push(key);
      this.#sums = grown(this.#sums, at + this.#width);
    }
    this.total++;
    this.#sums[at]!++;
    for (let i = 0; i < amounts.length; i++) this.#sums[at + 1 + i]! += amounts[i]!;
  }

  count(key: number): number {
    return this.sum(key, -1);
  }

  /** Returns sum `i` of a key; 0 for an unknown key. */
  sum(key: number, i: number): number {
    const at = this.#offsets.get(key);
    return at === undefined ? 0 : this.#sums[at + 1 + i]!;
  }
}

/** Maximum number of distinct numbers that are counted: 10,000 take about 0.5 MB per field. */
const MAX_DISTINCT = 10_000;

/** Distinct numbers, up to a limit. */
export class DistinctNumbers {
  /** Whether the limit is exceeded. */
  hasMore = false;
  readonly #seen = new Set<number>();

  get count(): number {
    return this.#seen.size;
  }

  /** Adds the first `rows` values. */
  add(values: Float32Array, rows: number): void {
    for (let r = 0; !this.hasMore && r < rows; r++) {
      if (this.#seen.size < MAX_DISTINCT) this.#seen.add(values[r]!);
      else this.hasMore = !this.#seen.has(values[r]!);
    }
  }
}

/** Maximum number of elements of a vector whose distributions are compared; they are evenly spaced. */
const MAX_COMPARED = 16;

/** Statistics of the vectors of a field. */
export class VectorTally {
  /** Binned values of the compared elements. */
  readonly elements: readonly Tally[];
  readonly #length: number;
  readonly #compared: readonly number[];
  #count = 0;
  #sum = 0;
  #norms = 0;

  /** @param length number of elements, without an indicator after them */
  constructor(length: number) {
    const numCompared = Math.min(length, MAX_COMPARED);
    this.#length = length;
    this.#compared = Array.from({ length: numCompared }, (_, i) => Math.floor((i * length) / numCompared));
    this.elements = this.#compared.map(() => new Tally());
  }

  /** Mean of all elements. */
  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / (this.#count * this.#length);
  }

  /** Mean of the Euclidean norms. */
  get norm(): number {
    return this.#count === 0 ? 0 : this.#norms / this.#count;
  }

  /** Adds the first `rows` vectors. */
  add({ width, data }: ArrayColumn<'f32'>, rows: number): void {
    for (let r = 0; r < rows; r++) {
      let squares = 0;
      for (let i = r * width; i < r * width + this.#length; i++) {
        this.#sum += data[i]!;
        squares += data[i]! * data[i]!;
      }
      this.#norms += Math.sqrt(squares);
      for (const [e, element] of this.#compared.entries())
        this.elements[e]!.add(computeBin(data[r * width + element]!, VECTOR_BITS));
    }
    this.#count += rows;
  }
}

const word = new DataView(new ArrayBuffer(4));
/** Bits of the fraction that distinguish bins: numbers in 16 bins per power of two, elements of vectors in 2. */
const NUMBER_BITS = 4;
const VECTOR_BITS = 1;

/** Returns the bin of a number: its sign, its power of two, and the first bits of its fraction. */
export function computeBin(value: number, fractionBits = NUMBER_BITS): number {
  word.setFloat32(0, value);
  return word.getUint32(0) >>> (23 - fractionBits);
}
