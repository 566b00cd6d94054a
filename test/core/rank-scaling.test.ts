import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { buildScale, startScalingFit } from '../../src/core/scaling.js';
import { fittedField } from '../support/fitted-field.js';

// Expected numbers are scikit-learn's: see make_quantile_transform.py.

const CASES = JSON.parse(readFileSync(join(import.meta.dirname, 'quantile-transform.json'), 'utf8')) as readonly {
  readonly name: string;
  readonly train: readonly number[];
  readonly values: readonly number[];
  readonly uniform: readonly number[];
  readonly normal: readonly number[];
}[];

function scaleBy(scaling: 'quantile-uniform' | 'quantile-normal', train: Iterable<number>) {
  const fit = startScalingFit(scaling)!;
  for (const value of train) fit.observe(value);
  return buildScale(scaling, fit.finish());
}

describe.each(CASES)('the quantile transform of $name', ({ train, values, uniform, normal }) => {
  it.each([
    ['quantile-uniform', uniform],
    ['quantile-normal', normal],
  ] as const)("%s has scikit-learn's numbers", (scaling, expected) => {
    const scale = scaleBy(scaling, train);
    for (const [i, value] of values.entries()) expect(scale(value), `${value}`).toBeCloseTo(expected[i]!, 9);
  });
});

describe('a quantile transform', () => {
  it('is close to the ranks for more distinct numbers than are counted exactly', () => {
    const random = randomStream(5, 'numbers');
    const numbers = Float64Array.from({ length: 200_000 }, () => random.uniform());
    const scale = scaleBy('quantile-uniform', numbers);
    for (const value of [0.01, 0.2, 0.5, 0.77, 0.999]) expect(Math.abs(scale(value) - value)).toBeLessThan(0.005);
    expect([-1, numbers.reduce((least, each) => Math.min(least, each)), 2].map(scale)).toEqual([0, 0, 1]);
  });

  it('is a scaling of a numeric field: after log1p, with a fill for missing values', () => {
    const field = { type: 'numeric', scaling: ['log1p', 'quantile-uniform'], fillMissing: 'median' };
    const { encode, rule, direct } = fittedField(field, ['0', '', '1', '10', '100', '1000']);
    expect(['0', '10', '1000', '2000', ''].map(encode)).toEqual([0, 0.5, 1, 1, 0.5]);
    expect(encode(String(Math.expm1((Math.log1p(10) + Math.log1p(100)) / 2)))).toBeCloseTo(0.625, 12);
    expect(rule).toMatchObject({ kind: 'number', scaling: [{ kind: 'log1p' }, { kind: 'rank', isNormal: false }] });
    if (direct?.cell !== 'number') throw new Error('it takes numbers');
    expect([0, 10, 1000].map(direct.encode)).toEqual([0, 0.5, 1]);
    expect(() => encode('-1')).toThrow(/above -1/);
  });

  it('is not a scaling of vectors, whose elements would have different quantiles', () => {
    expect(() => fittedField({ type: 'vector', scaling: 'quantile-normal' }, ['1|2'])).toThrow(/scaling/);
  });
});
