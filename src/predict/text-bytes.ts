import { floatText } from '../text/float-text.js';

const ZERO = 48;
const POINT = 46;
const MINUS = 45;
const QUOTE = 34;
const COMMA = 44;
const LF = 10;
const CR = 13;

/** Range of numbers that are written without an exponent, by exact double arithmetic. */
const [SMALLEST_PLAIN, END_OF_PLAIN] = [1e-6, 1e7];
/** From 2^-20, below the smallest, to 2^23. */
const FIRST_EXPONENT = -20;
/** Per exponent: number of decimals with a smaller step than float32, so that one decimal hits every float. */
const ENOUGH_DECIMALS = Uint8Array.from({ length: 24 - FIRST_EXPONENT }, (_, i) =>
  Math.max(0, Math.ceil((23 - (i + FIRST_EXPONENT)) * Math.log10(2))),
);
/** Per exponent: half the step of float32. */
const HALF_STEPS = Float64Array.from(ENOUGH_DECIMALS, (_, i) => 2 ** (i + FIRST_EXPONENT - 24));
const POWERS = Float64Array.from({ length: 16 }, (_, i) => 10 ** i);
/** Maximum UTF-8 bytes per UTF-16 unit. */
const MAX_CHARACTER_BYTES = 3;
/** For numbers such as `-1.1754944e-38`, with a margin. */
const MAX_NUMBER_BYTES = 24;

/** Builds text as bytes, since creating a string per value is the most expensive step. */
export class TextBytes {
  #bytes: Buffer;
  #at = 0;
  readonly #float = new Float32Array(1);
  readonly #bits = new Uint32Array(this.#float.buffer);

  constructor(capacity = 1 << 18) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  /** Returns and removes all bytes so far. */
  take(): Uint8Array {
    const result = this.#bytes.subarray(0, this.#at);
    this.#bytes = Buffer.allocUnsafe(this.#bytes.length);
    this.#at = 0;
    return result;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  text(value: string): void {
    this.#reserve(MAX_CHARACTER_BYTES * value.length);
    const begin = this.#at;
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code > 127) {
        this.#at = begin + this.#bytes.write(value, begin, 'utf8');
        return;
      }
      this.#bytes[this.#at++] = code;
    }
  }

  /** Appends a CSV value (RFC 4180), quoted if it contains a comma, a quote or a line end. */
  cell(value: string): void {
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code === COMMA || code === QUOTE || code === LF || code === CR) {
        this.text(`"${value.replaceAll('"', '""')}"`);
        return;
      }
    }
    this.text(value);
  }

  /** Appends the shortest decimal that parses to the same float32, directly or through a double. */
  float(value: number): void {
    this.#reserve(MAX_NUMBER_BYTES);
    const size = Math.abs(value);
    if (!(size >= SMALLEST_PLAIN && size < END_OF_PLAIN)) {
      this.text(floatText(value));
      return;
    }
    if (value < 0) this.#bytes[this.#at++] = MINUS;
    this.#float[0] = size;
    const bits = this.#bits[0]!;
    const exponent = (bits >>> 23) - 127;
    // Any decimal within half a step parses to the float; below a power of two, steps are half as large.
    const half = HALF_STEPS[exponent - FIRST_EXPONENT]!;
    const isPower = (bits & 0x7fffff) === 0;
    const low = size - (isPower ? half / 2 : half);
    const high = size + half;
    let decimals = ENOUGH_DECIMALS[exponent - FIRST_EXPONENT]! + (isPower ? 1 : 0);
    let digits = Math.round(size * POWERS[decimals]!);
    while (decimals > 0) {
      const fewer = Math.round(size * POWERS[decimals - 1]!);
      // The quotient of two exact integers is the double that the decimal parses to.
      const read = fewer / POWERS[decimals - 1]!;
      if (read <= low || read >= high) break;
      digits = fewer;
      decimals--;
    }
    this.#decimal(digits, decimals);
  }

  /** Appends an integer below 2^31 with this many decimals. */
  #decimal(digits: number, decimals: number): void {
    const bytes = this.#bytes;
    let length = decimals + 1;
    for (let limit = POWERS[length]!; digits >= limit; limit *= 10) length++;
    const begin = this.#at;
    const point = begin + length - decimals;
    let index = begin + length - (decimals > 0 ? 0 : 1);
    this.#at = index + 1;
    // Integer arithmetic is several times faster.
    let rest = digits | 0;
    for (; index >= begin; index--) {
      if (index === point) {
        bytes[index] = POINT;
        continue;
      }
      const next = (rest / 10) | 0;
      bytes[index] = ZERO + rest - next * 10;
      rest = next;
    }
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#at + bytes));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}
