import type { Place } from '../compile/places.js';
import type { Image } from '../state/image.js';

/** The rows of an input in memory, with the strides of the kernels. */
export class InputRows {
  readonly #floats: Float32Array;
  readonly #value: number;
  readonly #gradient: number;
  readonly #stride: number;
  readonly #width: number;
  #copy = new Float32Array(0);

  constructor({ value, gradient }: Place, { floats, wordAt }: Image) {
    this.#floats = floats;
    this.#value = wordAt(value);
    this.#gradient = wordAt(gradient);
    this.#stride = value.ld;
    this.#width = value.width;
  }

  /** Returns some rows without gaps, in memory that the next call reuses. */
  read(rows: number): Float32Array {
    const [stride, width] = [this.#stride, this.#width];
    if (this.#copy.length < rows * width) this.#copy = new Float32Array(rows * width);
    for (let r = 0; r < rows; r++) {
      const from = this.#value + r * stride;
      this.#copy.set(this.#floats.subarray(from, from + width), r * width);
    }
    return this.#copy.subarray(0, rows * width);
  }

  /** Writes the gradient of some rows, given without gaps. */
  writeGradient(gradient: Float32Array, rows: number): void {
    const [stride, width] = [this.#stride, this.#width];
    for (let r = 0; r < rows; r++)
      this.#floats.set(gradient.subarray(r * width, (r + 1) * width), this.#gradient + r * stride);
  }
}
