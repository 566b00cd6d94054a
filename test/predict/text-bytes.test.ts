/** @module-tag long */
import { describe, expect, it } from 'vitest';
import { TextBytes } from '../../src/predict/text-bytes.js';

const textOf = (put: (text: TextBytes) => void): string => {
  const text = new TextBytes(8);
  put(text);
  return Buffer.from(text.take()).toString('utf8');
};

/** The fewest digits that are read as the float. */
function fewestDigits(value: number): number {
  for (let digits = 1; digits < 9; digits++)
    if (Math.fround(Number(value.toPrecision(digits))) === value) return digits;
  return 9;
}

const digitsOf = (text: string): string =>
  text.replace(/e.*$/, '').replace(/[-.]/g, '').replace(/^0+/, '').replace(/0+$/, '');

describe('a float as text', () => {
  const floats = new Float32Array(1);
  const bits = new Uint32Array(floats.buffer);
  const ofBits = (value: number): number => {
    bits[0] = value;
    return floats[0]!;
  };
  /** All powers of two with their neighbors, and floats from all over. */
  const samples = [
    ...Array.from({ length: 254 }, (_, i) => [-1, 0, 1].map((step) => ofBits(((i + 1) << 23) + step))).flat(),
    ...Array.from({ length: 20_000 }, (_, i) => ofBits(Math.imul(i, 2_654_435_761) >>> 0)),
    ...Array.from({ length: 20_000 }, (_, i) => Math.fround(((i * 7919) % 20_011) / 20_011)),
  ].filter(Number.isFinite);

  it('parses to the same float, with the fewest digits', () => {
    for (const value of samples) {
      const text = textOf((bytes) => bytes.float(value));
      expect(Object.is(Math.fround(Number(text)), value), `${value} as ${text}`).toBe(true);
      if (Math.abs(value) >= 1e-6 && Math.abs(value) < 1e7)
        expect(digitsOf(text).length, text).toBeLessThanOrEqual(fewestDigits(value));
    }
  });

  it.each([
    [0, '0'],
    [-0, '-0'],
    [1, '1'],
    [0.5, '0.5'],
    [0.1, '0.1'],
    [-0.02921874, '-0.02921874'],
    [123.25, '123.25'],
    [0.000001, '0.000001'],
    [1e-9, '1e-9'],
    [16_777_216, '16777216'],
    [3e20, '300000000000000000000'],
  ])('%d is %s', (value, text) => {
    expect(textOf((bytes) => bytes.float(Math.fround(value)))).toBe(text);
  });
});

describe('a cell of CSV', () => {
  it.each([
    ['plain', 'plain'],
    ['', ''],
    ['a,b', '"a,b"'],
    ['say "hi"', '"say ""hi"""'],
    ['two\nlines', '"two\nlines"'],
    ['\r', '"\r"'],
    ['Zürich, 東京 🛒', '"Zürich, 東京 🛒"'],
    ['=1+1', '=1+1'],
    ['x'.repeat(50), 'x'.repeat(50)],
  ])('%j is %j', (cell, text) => {
    expect(textOf((bytes) => bytes.cell(cell))).toBe(text);
  });
});
