import fc from 'fast-check';
import { expect, it } from 'vitest';
import { count } from '../src/number-text.js';

it('sets the thousands of a number apart as Intl.NumberFormat does', () => {
  const format = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
  fc.assert(
    fc.property(fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.double({ min: -1e15, max: 1e15, noNaN: true }), fc.integer({ min: -4000, max: 4000 }).map((quarters) => quarters / 4)), (value) => {
      fc.pre(!Object.is(value, -0));
      expect(count(value)).toBe(format.format(value));
    }),
    { numRuns: 2000, examples: [[0], [999], [1000], [-1000], [999_999.5], [0.49999999999999994], [-0.3]] },
  );
});
