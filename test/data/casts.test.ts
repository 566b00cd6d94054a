import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { castColumns } from '../../src/chunks/casts.js';
import { ChunkRows } from '../../src/chunks/chunk.js';
import type { Column } from '../../src/chunks/column.js';
import { toAffine, buildScale, scaleSteps, type ScalingSpec } from '../../src/core/scaling.js';

const FITTED = { standard: { mean: 3.7, deviation: 1.3 }, 'min-max': { min: -2.5, max: 1e3 } };

describe('cast of numbers', () => {
  it.each<[ScalingSpec, unknown, boolean]>([
    ['none', undefined, true],
    ['standard', FITTED.standard, true],
    ['min-max', FITTED['min-max'], true],
    [['none', 'standard'], FITTED.standard, true],
    ['log1p', undefined, false],
    [['log1p', 'standard'], FITTED.standard, false],
  ])('as one step equals a function per number, with scaling %s', (spec, fitted, isAffine) => {
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
            const odd = new Uint32Array(values.length);
            const column: Column = {
              type: 'DOUBLE',
              text: (row) => String(values[row]),
              numbers: { values, isWhole: false },
            };
            const columns = new Map([['n', column]]);
            const rows = new ChunkRows({ rows: values.length, numLines: values.length, columns, cellsOf: () => [] });
            const count = castColumns({ cell: 'number', encode, ...cells }, rows, ['n'], { into, first: 3, odd });
            return {
              bits: [...new Uint32Array(into.buffer)],
              odd: [...odd.subarray(0, count)],
              bad: rows.problems().map(([row]) => row),
            };
          };
          expect(taken({ affine })).toEqual(taken({}));
        },
      ),
    );
  });
});
