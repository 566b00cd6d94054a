import { closeSync, openSync, writeSync } from 'node:fs';
import { syncFileSync } from '../io/sync-file.js';

const BUFFER_BYTES = 1 << 20;
const ZERO = 48;
const POINT = 46;

/** A file of text that is written as bytes: numbers become digits without a string in between. */
export class ByteFile {
  readonly #file: number;
  readonly #bytes = Buffer.alloc(BUFFER_BYTES);
  #at = 0;

  constructor(path: string) {
    this.#file = openSync(path, 'w');
  }

  /** Makes room for so many bytes, which may then be written without further checks. */
  reserve(bytes: number): void {
    if (this.#at + bytes > BUFFER_BYTES) this.#flush();
  }

  byte(value: number): void {
    this.#bytes[this.#at++] = value;
  }

  /** Text of one byte a character. */
  text(value: string): void {
    for (let i = 0; i < value.length; i++) this.#bytes[this.#at++] = value.charCodeAt(i);
  }

  /** A whole number below 2^53 in digits. */
  whole(value: number): void {
    if (value > 0x7fffffff) {
      this.text(String(value));
      return;
    }
    let digits = 1;
    for (let limit = 10; value >= limit && digits < 10; limit *= 10) digits++;
    this.#digits(value, digits);
    this.#at += digits;
  }

  /** A number of ten-thousandths as the shortest decimal: 0, 0.5, 1.0625. */
  tenThousandths(value: number): void {
    const whole = (value / 10_000) | 0;
    let fraction = value - whole * 10_000;
    this.whole(whole);
    if (fraction === 0) return;
    let digits = 4;
    for (; fraction % 10 === 0; digits--) fraction /= 10;
    this.#bytes[this.#at++] = POINT;
    this.#digits(fraction, digits);
    this.#at += digits;
  }

  /** Sixteen lower-case hexadecimal digits: what an index of common features looks like. */
  hex(high: number, low: number): void {
    for (let shift = 28; shift >= 0; shift -= 4) this.#hexDigit((high >>> shift) & 15);
    for (let shift = 28; shift >= 0; shift -= 4) this.#hexDigit((low >>> shift) & 15);
  }

  /** Writes what is left, and syncs the file. */
  close(): void {
    try {
      this.#flush();
      syncFileSync(this.#file);
    } finally {
      closeSync(this.#file);
    }
  }

  #hexDigit(value: number): void {
    this.#bytes[this.#at++] = value < 10 ? ZERO + value : 87 + value;
  }

  #digits(value: number, count: number): void {
    let rest = value;
    for (let at = this.#at + count - 1; at >= this.#at; at--) {
      const next = (rest / 10) | 0;
      this.#bytes[at] = ZERO + rest - next * 10;
      rest = next;
    }
  }

  #flush(): void {
    for (let from = 0; from < this.#at;) from += writeSync(this.#file, this.#bytes, from, this.#at - from);
    this.#at = 0;
  }
}
