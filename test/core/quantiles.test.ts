import { describe, expect, it } from 'vitest';
import { BadValue } from '../../src/features/feature.js';
import { Quantiles } from '../../src/core/quantiles.js';
import { randomStream } from '../../src/core/random.js';
import { fittedField as fitted } from '../support/fitted-field.js';

describe('a bucketized number', () => {
  const idsOf = (spec: object, train: readonly (string | number)[], cells: readonly (string | number)[]): number[] => {
    const { encode, rows } = fitted({ type: 'bucketized', ...spec }, train.map(String));
    const ids = cells.map((cell) => encode(String(cell)));
    expect(Math.max(...ids)).toBeLessThan(rows);
    return ids;
  };

  it('belongs to the bucket above a boundary that it equals; missing values are out of vocabulary', () => {
    expect(idsOf({ boundaries: [-1, 0.5, 10] }, [], ['', -2, -1, 0, 0.5, 9.99, 10, 1e30])).toEqual([
      0, 1, 2, 2, 3, 3, 4, 4,
    ]);
    expect(() => idsOf({ boundaries: [0] }, [], ['x'])).toThrow(BadValue);
  });

  it('has buckets of equal counts of the training set if quantiles are set', () => {
    const train = Array.from({ length: 1000 }, (_, i) => (i * 7919) % 1000);
    const counts = new Map<number, number>();
    for (const id of idsOf({ quantiles: 8 }, train, train)) counts.set(id, (counts.get(id) ?? 0) + 1);
    expect([...counts].sort(([a], [b]) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((id) => [id, 125]));
  });

  it.each([
    ['half of it one number', [0, 0, 0, 0, 1, 2, 3, 4, 5, 6], 4, [1, 1, 1, 1, 2, 2, 3, 3, 4, 4]],
    ['two of it frequent', [1, 2, 2, 2, 2, 3, 4, 5, 5, 5, 5, 6], 6, [1, 2, 2, 2, 2, 3, 4, 5, 5, 5, 5, 6]],
    ['fewer buckets than groups', [1, 2, 2, 2, 2, 3, 4, 4, 4, 5], 3, [1, 2, 2, 2, 2, 3, 3, 3, 3, 3]],
    ['most of it the least', [5, 5, 5, 9], 2, [1, 1, 1, 2]],
    ['most of it the largest', [1, 2, 9, 9, 9], 2, [1, 1, 2, 2, 2]],
    ['two numbers', [5, 5, 9], 10, [1, 1, 2]],
    ['one number', [3, 3, 3, ''], 4, [1, 1, 1, 0]],
    ['no number', ['', ''], 4, [0, 0]],
  ] as const)('merges buckets of the same number: %s', (_, train, quantiles, ids) => {
    expect(idsOf({ quantiles }, train, train)).toEqual(ids);
  });
});

describe('quantiles', () => {
  it('give each heavy number a bucket of its own, and divide the other rows as equally as possible', () => {
    const random = randomStream(8, 'heavy');
    for (let trial = 0; trial < 200; trial++) {
      const count = 2 + random.below(40);
      const shares = Array.from({ length: random.below(4) }, () => 0.7 * random.uniform());
      const numbers = Array.from({ length: 2000 }, () => {
        const heavy = shares.findIndex((share) => random.uniform() < share);
        return heavy >= 0 ? 25 * heavy : random.below(100);
      });
      const quantiles = new Quantiles();
      for (const number of numbers) quantiles.observe(number);
      const found = quantiles.boundaries(count);
      expect(found).toEqual([...new Set(found)].sort((a, b) => a - b));
      expect(found.length).toBeLessThan(count);

      const bucketOf = (number: number): number => found.filter((boundary) => boundary <= number).length;
      const rows = (isIn: (number: number) => boolean): number => numbers.filter(isIn).length;
      const different = [...new Set(numbers)];
      // With few heavy numbers, none is given up.
      const heavy = different.filter((each) => rows((number) => number === each) > numbers.length / count);
      const isAlone = (each: number): boolean =>
        different.every((other) => other === each || bucketOf(other) !== bucketOf(each));
      if (2 * heavy.length + 1 < count) expect(heavy.every(isAlone)).toBe(true);
      if (heavy.length > 0) continue;
      const largest = Math.max(...different.map((each) => rows((number) => number === each)));
      for (let bucket = 0; bucket <= found.length; bucket++)
        expect(rows((number) => bucketOf(number) === bucket)).toBeLessThan(numbers.length / count + largest + 1);
    }
  });

  it('beyond the exact limit approximate the exact ones in any order, deterministically', { tags: ['long'] }, () => {
    const count = 600_000;
    const random = randomStream(5, 'numbers');
    const shuffled = Float64Array.from({ length: count }, () => random.normal() ** 3);
    const sorted = shuffled.toSorted();
    for (const numbers of [shuffled, sorted]) {
      const found = [0, 1].map(() => {
        const quantiles = new Quantiles();
        for (const number of numbers) quantiles.observe(number);
        return quantiles.boundaries(100);
      });
      expect(found[0]).toEqual(found[1]);
      expect(found[0]).toHaveLength(99);
      let worst = 0;
      found[0]!.forEach((boundary, i) => {
        const below = sorted.findLastIndex((number) => number < boundary) + 1;
        worst = Math.max(worst, Math.abs(below / count - (i + 1) / 100));
      });
      // Five of the deviations that the sketch claims.
      expect(worst).toBeLessThan(5e-4);
    }
  });

  it('have an exact median up to the limit, and an approximate one beyond', () => {
    const medianOf = (numbers: readonly number[]): number => {
      const quantiles = new Quantiles();
      for (const number of numbers) quantiles.observe(number);
      return quantiles.median();
    };
    expect([[3, 1, 2], [4, 1, 2, 3], [1, 1, 1, 9], [5], [1, 1, 9, 9], []].map(medianOf)).toEqual([
      2,
      2.5,
      1,
      5,
      5,
      NaN,
    ]);
    expect(Math.abs(medianOf(Array.from({ length: 200_000 }, (_, i) => (i * 7919) % 200_000)) - 99_999.5)).toBeLessThan(
      100,
    );
  });

  it('keep the counts from before the limit', () => {
    const quantiles = new Quantiles();
    for (let i = 0; i < 300_000; i++) quantiles.observe(0);
    for (let i = 1; i <= 100_000; i++) quantiles.observe(i);
    const found = quantiles.boundaries(10);
    // The zeros have one bucket, and nine divide the other numbers.
    expect(found).toHaveLength(9);
    found.forEach((boundary, i) => expect(Math.abs(boundary - 1 - (i * 100_000) / 9)).toBeLessThan(300));
  });
});
