import { floatText } from '../data/files/parquet/number-text.js';

const ZERO = 48;
const POINT = 46;
const MINUS = 45;
const QUOTE = 34;
const COMMA = 44;
const LF = 10;
const CR = 13;

/** Numbers from here to there are written without an exponent, and found by arithmetic that doubles do exactly. */
const [SMALLEST_PLAIN, END_OF_PLAIN] = [1e-6, 1e7];
/** Of 2^-20, which is below the smallest, to 2^23. */
const FIRST_EXPONENT = -20;
/**
 * By exponent: digits behind the point whose steps are less than those of floats, so that one of them hits any float.
 */
const ENOUGH_DECIMALS = Uint8Array.from({ length: 24 - FIRST_EXPONENT }, (_, i) =>
  Math.max(0, Math.ceil((23 - (i + FIRST_EXPONENT)) * Math.log10(2))),
);
const POWERS = Float64Array.from({ length: 16 }, (_, i) => 10 ** i);
/** Bytes that a character takes at the most, of those that one unit of UTF-16 is. */
const MAX_CHARACTER_BYTES = 3;
/** As `-1.1754944e-38`, with some to spare. */
const MAX_NUMBER_BYTES = 24;

/** Text that is put together as bytes, since a string a cell costs more than all else that is done with it. */
export class TextBytes {
  #bytes: Buffer;
  #at = 0;
  readonly #float = new Float32Array(1);
  readonly #bits = new Uint32Array(this.#float.buffer);

  constructor(capacity = 1 << 18) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  /** All that was put since the last call, in memory of its own. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#at);
    this.#bytes = Buffer.allocUnsafe(this.#bytes.length);
    this.#at = 0;
    return taken;
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

  /** A cell of CSV (RFC 4180): in quotes where it holds a comma, a quote or an end of a line. */
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

  /**
   * A finite 32-bit float as the shortest decimal that is read as the same float, whether by way of a double or not.
   */
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
    // What lies within half a step of the float is read as it; below a power of two, steps are half as large.
    const half = 2 ** (exponent - 24);
    const isPower = (bits & 0x7fffff) === 0;
    const low = size - (isPower ? half / 2 : half);
    const high = size + half;
    let decimals = ENOUGH_DECIMALS[exponent - FIRST_EXPONENT]! + (isPower ? 1 : 0);
    let digits = Math.round(size * POWERS[decimals]!);
    while (decimals > 0) {
      const fewer = Math.round(size * POWERS[decimals - 1]!);
      // A quotient of whole numbers that a double holds is the double that the decimal is read as.
      const read = fewer / POWERS[decimals - 1]!;
      if (read <= low || read >= high) break;
      digits = fewer;
      decimals--;
    }
    this.#decimal(digits, decimals);
  }

  /** A whole number below 2^31 with a point before its last so many digits. */
  #decimal(digits: number, decimals: number): void {
    let length = 1;
    for (let limit = 10; digits >= limit; limit *= 10) length++;
    length = Math.max(length, decimals + 1);
    const end = this.#at + length + (decimals > 0 ? 1 : 0);
    let rest = digits;
    let at = end - 1;
    for (let i = 0; i < length; i++) {
      if (i === decimals && i > 0) this.#bytes[at--] = POINT;
      const next = (rest / 10) | 0;
      this.#bytes[at--] = ZERO + rest - next * 10;
      rest = next;
    }
    this.#at = end;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#at + bytes));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}
