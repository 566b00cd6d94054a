import { createUtf8Writer } from './utf8.js';

/** Numbers are given again from 1 on after so many. */
const MAX_NUMBER = 2 ** 31;

/** Numbers of tokens between their encoding and their assignment; 0 is a missing value. */
export class TokenNumbers {
  readonly #numbers = new Map<string, number>();
  #texts: string[] = [];
  /** Number of the first text. */
  #first = 1;
  readonly #utf8 = createUtf8Writer();

  /** Returns the number of a token. */
  readonly numberOf = (text: string): number => {
    if (text === '') return 0;
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const number = this.#first + this.#texts.push(text) - 1;
    this.#numbers.set(text, number);
    return number;
  };

  /**
   * Returns the bytes of a token, from offset 0, until the next call.
   * @throws Error for a number that was released
   */
  textOf(number: number): { readonly bytes: Uint8Array; readonly length: number } {
    const text = this.#texts[number - this.#first];
    if (text === undefined) throw new Error(`token ${number} was released, or its batch was assigned before`);
    const length = this.#utf8.write(text);
    return { bytes: this.#utf8.bytes, length };
  }

  /** Forgets all tokens; new ones have other numbers, so that an old one is an error. */
  release(): void {
    const next = this.#first + this.#texts.length;
    this.#first = next > MAX_NUMBER ? 1 : next;
    this.#texts = [];
    this.#numbers.clear();
  }
}
