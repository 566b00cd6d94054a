import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeNumbers } from '../../src/data/files/encode-numbers.js';
import { createOddCells } from '../../src/data/files/odd-cells.js';
import { toAffine, buildScale, scaleSteps, type ScalingSpec } from '../../src/core/scaling.js';

const FITTED = { standard: { mean: 3.7, deviation: 1.3 }, 'min-max': { min: -2.5, max: 1e3 } };

describe('encodeNumbers', () => {
  it.each<[ScalingSpec, unknown, boolean]>([
    ['none', undefined, true],
    ['standard', FITTED.standard, true],
    ['min-max', FITTED['min-max'], true],
    [['none', 'standard'], FITTED.standard, true],
    ['log1p', undefined, false],
    [['log1p', 'standard'], FITTED.standard, false],
  ])('equals the scalar path with scaling %s', (spec, fitted, isAffine) => {
    const encode = buildScale(spec, fitted);
    const affine = toAffine(scaleSteps(spec, fitted));
    expect(affine !== undefined).toBe(isAffine);
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.double(), fc.constantFrom(0, -0, 1, -1, 3.5e38, 1e-45)), { maxLength: 40 }),
        (numbers) => {
          const values = Float64Array.from(numbers);
          const taken = (cells: { affine?: typeof affine }) => {
            const into = new Float32Array(values.length + 3);
            const odd = createOddCells(64, 1);
            odd.clear(64);
            const count = encodeNumbers(values, 0, values.length, { cell: 'number', encode, into, ...cells }, 3, odd);
            return {
              bits: [...new Uint32Array(into.buffer)],
              odd: [...odd.rows.subarray(0, count)],
              bad: [...odd.isBad],
            };
          };
          expect(taken({ affine })).toEqual(taken({}));
        },
      ),
    );
  });
});
