import { isUtf8 } from 'node:buffer';
import { grown } from '../../core/grown.js';
import { createUtf8Writer } from './utf8.js';

/** Numbers are given again from 1 on after so many. */
const MAX_NUMBER = 2 ** 31;
const FIRST_BYTES = 1 << 12;
const FIRST_TOKENS = 1 << 8;
/** First byte that is not ASCII. */
const NOT_ASCII = 128;

/** Replaces the ids of a vocabulary that grows: numbers each token, until its batch is assigned. */
export interface TokenNumbering {
  /** Returns the number of a token; 0 if it is missing. */
  numberOf(text: string): number;
  /** Returns the number of a token in `begin`…`end`; 0 if it is missing or invalid UTF-8. */
  numberOfBytes(bytes: Uint8Array, begin: number, end: number): number;
}

/** Numbers of tokens between their encoding and their assignment; 0 is a missing value. */
export class TokenNumbers implements TokenNumbering {
  /** All tokens; `#ends` are the ends of their bytes, after the end of the token before the first one. */
  #bytes = new Uint8Array(FIRST_BYTES);
  #ends = new Uint32Array(FIRST_TOKENS);
  #count = 0;
  /** Number of the first token. */
  #first = 1;
  readonly #utf8 = createUtf8Writer();

  numberOf(text: string): number {
    const length = this.#utf8.write(text);
    return length === 0 ? 0 : this.#add(this.#utf8.bytes, 0, length);
  }

  numberOfBytes(bytes: Uint8Array, begin: number, end: number): number {
    for (let i = begin; i < end; i++)
      if (bytes[i]! >= NOT_ASCII) return isUtf8(bytes.subarray(begin, end)) ? this.#add(bytes, begin, end) : 0;
    return begin === end ? 0 : this.#add(bytes, begin, end);
  }

  /**
   * Returns the bytes of a token, until another one is numbered.
   * @throws Error for a number that was released
   */
  textOf(number: number): { readonly bytes: Uint8Array; readonly begin: number; readonly end: number } {
    const index = number - this.#first;
    if (index < 0 || index >= this.#count)
      throw new Error(`token ${number} was released, or its batch was assigned before`);
    return { bytes: this.#bytes, begin: this.#ends[index]!, end: this.#ends[index + 1]! };
  }

  /** Forgets all tokens; new ones have other numbers, so that an old one is an error. */
  release(): void {
    const next = this.#first + this.#count;
    this.#first = next > MAX_NUMBER ? 1 : next;
    this.#count = 0;
  }

  #add(bytes: Uint8Array, begin: number, end: number): number {
    const from = this.#ends[this.#count]!;
    const to = from + end - begin;
    this.#bytes = grown(this.#bytes, to);
    this.#ends = grown(this.#ends, this.#count + 2);
    for (let i = begin; i < end; i++) this.#bytes[from + i - begin] = bytes[i]!;
    this.#ends[++this.#count] = to;
    return this.#first + this.#count - 1;
  }
}
