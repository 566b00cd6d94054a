import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ExactSums } from '../../src/data/aggregates/exact-sums.js';
import { sumExactly } from '../support/counter-log.js';

// Exact sums against sums of integers of any size.

/** Numbers of very different magnitudes, with halves of last digits, whose sums are ties. */
const value = fc.oneof(
  fc.constantFrom(0, 1, -1, 0.1, 19.99, 1e17, -1e17, 1e24, 1e-300, 2 ** 53, 2 ** -1, 2 ** -54, -(2 ** -54)),
  fc.double({ min: -1e24, max: 1e24, noNaN: true }),
  fc.double({ min: -1, max: 1, noNaN: true }),
);

describe('exact sums', () => {
  it('are the differences of totals, rounded once', () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 12 }), fc.nat(), (values, drawn) => {
        const totals = new ExactSums();
        totals.reserve(values.length + 2);
        // Total `i` is that of the first `i` values; the last one adds them all.
        const last = values.length + 1;
        for (const [i, each] of values.entries()) {
          totals.add(last, each);
          totals.copy(i + 1, totals, last);
        }
        const begin = drawn % values.length;
        for (let end = begin; end <= values.length; end++) {
          const expected = sumExactly(values.slice(begin, end));
          expect(totals.minus(end, totals, begin) + 0).toBe(expected + 0);
          expect(sumExactly(totals.partsOfDifference(end, totals, begin))).toBe(expected);
        }
      }),
    );
  });

  it('forget large numbers that are subtracted', () => {
    const totals = new ExactSums();
    totals.reserve(2);
    for (const each of [1e17, 1, 0.1, 1e24, -1e17, -1e24]) totals.add(0, each);
    expect(totals.minus(0, totals, 1)).toBe(1.1);
  });
});
