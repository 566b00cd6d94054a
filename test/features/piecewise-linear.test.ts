import { describe, expect, it } from 'vitest';
import { rowNames } from '../../src/features/row-names.js';
import { fieldOf, fittedField } from '../support/fitted-field.js';

const spec = { type: 'piecewise-linear', bins: 4 };
const texts = (values: readonly number[]): string[] => values.map(String);

describe('a piecewise-linear number', () => {
  it('has knots at the quantiles of the training set, and interpolates between two of them', () => {
    const { encode, rows, direct } = fittedField(spec, texts([8, 1, 2, 3, 4, 5, 6, 7]));
    // Knots at 1, 3, 5, 7 and 8; row 0 is for empty cells.
    expect(rows).toBe(6);
    expect([1, 2, 3, 4.5, 7, 7.25, 8].map((value) => encode(String(value)))).toEqual([1, 1.5, 2, 2.75, 4, 4.25, 5]);
    if (direct?.cell !== 'number') throw new Error('it takes numbers');
    expect([2, 7.25].map(direct.encode)).toEqual([1.5, 4.25]);
  });

  it('is clamped to the first and last knot', () => {
    const { encode } = fittedField(spec, texts([1, 2, 3, 4]));
    expect([-1e30, 0.5, 4, 5, 1e30].map((value) => encode(String(value)))).toEqual([
      1,
      1,
      encode('4'),
      encode('4'),
      encode('4'),
    ]);
  });

  it('has fewer knots if values repeat, and one for a single value', () => {
    expect(fittedField(spec, texts([3, 3, 3, 3])).rows).toBe(2);
    expect(fittedField(spec, texts([3, 3, 3, 3])).encode('7')).toBe(1);
    const { encode, rows } = fittedField(spec, texts([0, 0, 0, 0, 0, 0, 0, 9]));
    expect([rows, encode('0'), encode('4.5'), encode('9')]).toEqual([3, 1, 1.5, 2]);
  });

  it('has a row for missing values, or rejects them; missing values do not affect knots', () => {
    expect(fittedField(spec, ['', '1', '', '2', '']).encode('')).toBe(0);
    expect(fittedField(spec, ['', '1', '', '2', '']).rows).toBe(fittedField(spec, ['1', '2']).rows);
    const refused = { ...spec, fillMissing: 'error' };
    expect(() => fittedField(refused, ['1']).encode('')).toThrow(/a decimal number/);
    expect(() => fittedField(refused, ['1', ''])).toThrow(/a decimal number/);
    expect(() => fittedField(spec, ['1']).encode('many')).toThrow(/a decimal number/);
    expect(() => fittedField(spec, ['', ''])).toThrow(/has no number in the training set/);
  });

  it('is a field in addition to the number, whose rows are named after their knots', () => {
    const field = fieldOf(spec);
    expect([field.name, field.columns, field.width]).toEqual(['f_piecewise', ['f'], 16]);
    const nameOf = rowNames({ rule: fittedField(spec, texts([1, 2.5, 4])).rule });
    expect([0, 1, 2].map(nameOf)).toEqual([
      { name: 'unknown', means: 'unknown' },
      { name: '1', means: 'knot' },
      { name: '2.5', means: 'knot' },
    ]);
    expect(fieldOf({ ...spec, bins: 5 }).meaning).not.toBe(field.meaning);
    expect(fieldOf({ ...spec, fillMissing: 'error' }).meaning).not.toBe(field.meaning);
  });
});
