import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { TokenNumbers } from '../../src/features/vocabulary/token-numbers.js';

const textOf = (numbers: TokenNumbers, number: number): string => {
  const { bytes, begin, end } = numbers.textOf(number);
  return Buffer.from(bytes.slice(begin, end)).toString();
};

describe('numbers of tokens', () => {
  it('return the token that was numbered as a text or as bytes, until they are released', () => {
    const random = randomStream(7, 'tokens');
    const numbers = new TokenNumbers();
    let old = 0;
    for (let batch = 0; batch < 3; batch++) {
      const texts = Array.from({ length: 2000 }, (_, i) => `t${i % 700}${'é😀'.repeat(random.below(4))}`);
      const given = texts.map((text, i) => {
        if (i % 2 === 0) return numbers.numberOf(text);
        const bytes = Buffer.from(`<${text}>`);
        return numbers.numberOfBytes(bytes, 1, bytes.length - 1);
      });
      expect(given.map((number) => textOf(numbers, number))).toEqual(texts);
      expect(given.every((number) => number > old)).toBe(true);
      old = Math.max(...given);
      numbers.release();
      expect(() => numbers.textOf(old)).toThrow(`token ${old} was released`);
    }
  });

  it('are 0 for missing values and invalid UTF-8', () => {
    const numbers = new TokenNumbers();
    const bytes = Buffer.from([0x61, 0xff, 0x62, 0xc3]);
    expect(numbers.numberOf('')).toBe(0);
    expect(
      [
        [1, 1],
        [0, 2],
        [2, 4],
      ].map(([begin, end]) => numbers.numberOfBytes(bytes, begin!, end!)),
    ).toEqual([0, 0, 0]);
    expect(textOf(numbers, numbers.numberOfBytes(bytes, 0, 1))).toBe('a');
  });
});
