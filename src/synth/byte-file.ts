import { closeSync, openSync, writeSync } from 'node:fs';
import { syncFileSync } from '../io/sync-file.js';

const BUFFER_BYTES = 1 << 20;
const ZERO = 48;
const POINT = 46;

/** A text file that is written as bytes, without intermediate strings. */
export class ByteFile {
  readonly #file: number;
  readonly #bytes = Buffer.alloc(BUFFER_BYTES);
  #at = 0;

  constructor(path: string) {
    this.#file = openSync(path, 'w');
  }

  /** Reserves bytes, which can then be written without checks. */
  reserve(bytes: number): void {
    if (this.#at + bytes > BUFFER_BYTES) this.#flush();
  }

  byte(value: number): void {
    this.#bytes[this.#at++] = value;
  }

  /** Appends text of one byte per character. */
  text(value: string): void {
    for (let i = 0; i < value.length; i++) this.#bytes[this.#at++] = value.charCodeAt(i);
  }

  /** Appends an integer below 2^53. */
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

  /** Appends ten-thousandths as the shortest decimal: 0, 0.5, 1.0625. */
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

  /** Appends 16 lowercase hexadecimal digits, like an index of common features. */
  hex(high: number, low: number): void {
    for (let shift = 28; shift >= 0; shift -= 4) this.#hexDigit((high >>> shift) & 15);
    for (let shift = 28; shift >= 0; shift -= 4) this.#hexDigit((low >>> shift) & 15);
  }

  /** Flushes, syncs and closes the file. */
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
    for (let offset = this.#at + count - 1; offset >= this.#at; offset--) {
      const next = (rest / 10) | 0;
      this.#bytes[offset] = ZERO + rest - next * 10;
      rest = next;
    }
  }

  #flush(): void {
    for (let from = 0; from < this.#at;) from += writeSync(this.#file, this.#bytes, from, this.#at - from);
    this.#at = 0;
  }
}
