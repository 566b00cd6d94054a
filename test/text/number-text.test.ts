import fc from 'fast-check';
import { expect, it } from 'vitest';
import { count, parseBytes } from '../../src/text/number-text.js';

it('formats thousands like Intl.NumberFormat', () => {
  const format = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.integer(),
        fc.maxSafeInteger(),
        fc.double({ min: -1e15, max: 1e15, noNaN: true }),
        fc.integer({ min: -4000, max: 4000 }).map((quarters) => quarters / 4),
      ),
      (value) => {
        fc.pre(!Object.is(value, -0));
        expect(count(value)).toBe(format.format(value));
      },
    ),
    { numRuns: 2000, examples: [[0], [999], [1000], [-1000], [999_999.5], [0.49999999999999994], [-0.3]] },
  );
});

it('parses sizes with and without a unit, and rejects other text', () => {
  expect(['0', '1048576', '500MB', '1.5 GiB', '2kib', ' 3 b ', '1TiB'].map(parseBytes)).toEqual([
    0,
    1048576,
    5e8,
    1.5 * 2 ** 30,
    2048,
    3,
    2 ** 40,
  ]);
  expect(['', '-1', '1e9', '10 G', '1GiB left', 'GiB', '1,5GB'].map(parseBytes)).toEqual(Array(7).fill(undefined));
});
