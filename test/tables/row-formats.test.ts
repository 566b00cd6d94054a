import { describe, expect, it } from 'vitest';
import { countRowWords, createRowWriter, toHalf } from '../../src/tables/row-formats.js';
import { randomStream } from '../../src/core/random.js';

/** Value of bits in half precision, by the definition of IEEE 754 binary16. */
function halfValue(bits: number): number {
  const [exponent, mantissa] = [(bits >> 10) & 31, bits & 1023];
  const sign = bits >> 15 === 0 ? 1 : -1;
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15));
}

describe('half precision', () => {
  it('keeps each of its finite values', () => {
    for (let bits = 0; bits < 2 ** 16; bits++)
      if (((bits >> 10) & 31) < 31 && toHalf(halfValue(bits)) !== bits) expect(toHalf(halfValue(bits))).toBe(bits);
    expect(toHalf(-0)).toBe(0x8000);
  });

  it('rounds to the nearest value, and ties to even', () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const [low, high] = [halfValue(bits), halfValue(bits + 1)];
      const middle = (low + high) / 2;
      const step = middle * 2 ** -23;
      const found = [middle - step, middle, middle + step].map(toHalf);
      const expected = [bits, bits % 2 === 0 ? bits : bits + 1, bits + 1];
      if (found.join() !== expected.join()) expect({ middle, found }).toEqual({ middle, found: expected });
    }
  });

  // numpy.array(x, numpy.float32).astype(numpy.float16).view(numpy.uint16)
  it.each([
    [0.1, 0x2e66],
    [-1 / 3, 0xb555],
    [65504, 0x7bff],
    [65519.99, 0x7bff],
    [65520, 0x7c00],
    [-1e6, 0xfc00],
    [Infinity, 0x7c00],
    [2 ** -14, 0x0400],
    [2 ** -14 - 2 ** -25, 0x0400],
    [6.0e-5, 0x03ef],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000],
    [-(2 ** -25) * 1.0001, 0x8001],
    [1e-10, 0x0000],
  ])('converts %d as numpy does', (x, bits) => {
    expect(toHalf(x)).toBe(bits);
  });

  it('converts NaN to a NaN', () => expect(halfValue(toHalf(NaN))).toBeNaN());
});

describe('rows of tables', () => {
  it('take half or about a quarter of the memory, and never more than in f32', () => {
    const words = (width: number): number[] => [countRowWords('fp16', width), countRowWords('int8', width)];
    expect([1, 2, 3, 4, 5, 16, 64].map(words)).toEqual([
      [1, 1],
      [1, 2],
      [2, 2],
      [2, 2],
      [3, 3],
      [8, 5],
      [32, 17],
    ]);
  });

  it('are quantized by their largest absolute value, by hand', () => {
    const table = new Float32Array(2 * 2);
    const write = createRowWriter('int8', 4, table);
    expect(write(Float32Array.of(9, 12.7, -6.36, 0.04, 0.06), 1, 1)).toBe(true);
    expect(table[2]).toBe(Math.fround(Math.fround(12.7) / 127));
    expect([...new Int8Array(table.buffer, 12, 4)]).toEqual([127, -64, 0, 1]);
  });

  it('have an error of at most half a scale in int8', () => {
    const width = 13;
    const random = randomStream(1, 'quantized rows');
    const words = countRowWords('int8', width);
    const table = new Float32Array(200 * words);
    const write = createRowWriter('int8', width, table);
    for (let row = 0; row < 200; row++) {
      const elements = Float32Array.from(
        { length: width },
        () => (random.uniform() - 0.5) * 10 ** (random.uniform() * 20 - 10),
      );
      write(elements, 0, row);
      const scale = table[row * words]!;
      const integers = new Int8Array(table.buffer, 4 * (row * words + 1), width);
      const errors = Array.from(elements, (x, i) => Math.abs(x - scale * integers[i]!));
      // The rounding of the scale moves ±127 · scale by half a unit in the last place.
      expect(Math.max(...errors)).toBeLessThanOrEqual((scale / 2) * (1 + 2 ** -20));
      expect(Math.max(...integers.map(Math.abs))).toBe(127);
    }
  });

  it('of zeros stay zeros', () => {
    for (const format of ['fp16', 'int8'] as const) {
      const table = new Float32Array(countRowWords(format, 6)).fill(7);
      expect(createRowWriter(format, 6, table)(new Float32Array(6), 0, 0)).toBe(true);
      expect(new Uint8Array(table.buffer, 0, format === 'int8' ? 10 : 12).every((byte) => byte === 0)).toBe(true);
    }
  });

  it('are reported if an element is not finite in the format', () => {
    const write = (format: 'fp16' | 'int8', element: number): boolean =>
      createRowWriter(format, 4, new Float32Array(2))(Float32Array.of(0, element, 0, 1), 0, 0);
    expect(write('fp16', 65504)).toBe(true);
    expect(write('fp16', -65520)).toBe(false);
    expect(write('int8', 3e38)).toBe(true);
    expect(write('int8', NaN)).toBe(false);
    expect(write('int8', -Infinity)).toBe(false);
  });
});
