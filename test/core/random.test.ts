import { describe, expect, it } from 'vitest';
import { dropoutMask, randomStream, shuffledOrder } from '../../src/core/random.js';

describe('random streams', () => {
  it('depend on the seed and the purpose', () => {
    const draw = (...purpose: (string | number)[]): number[] =>
      Array.from(
        { length: 4 },
        (
          (stream) => () =>
            stream.uint32()
        )(randomStream(7, ...purpose)),
      );
    expect(draw('a', 1)).toEqual(draw('a', 1));
    expect(draw('a', 1)).not.toEqual(draw('a', 2));
    expect(draw('a', 1)).not.toEqual(draw('b', 1));
  });

  it('are approximately uniform and normal', () => {
    const stream = randomStream(1, 'test');
    const uniform = Array.from({ length: 50_000 }, () => stream.uniform());
    const normal = Array.from({ length: 50_000 }, () => stream.normal());
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(uniform)).toBeCloseTo(0.5, 2);
    expect(mean(uniform.map((u) => u * u))).toBeCloseTo(1 / 3, 2);
    expect(Math.abs(mean(normal))).toBeLessThan(0.02);
    expect(Math.abs(mean(normal.map((z) => z * z)) - 1)).toBeLessThan(0.02);
    expect(uniform.every((u) => u >= 0 && u < 1)).toBe(true);
  });

  it('shuffle every row to every position with equal probability', () => {
    const counts = Array.from({ length: 5 }, () => [0, 0, 0, 0, 0]);
    const random = randomStream(3, 'shuffle');
    const order = new Uint32Array(5);
    for (let i = 0; i < 5000; i++) {
      shuffledOrder(order, 5, random);
      expect([...order].sort()).toEqual([0, 1, 2, 3, 4]);
      order.forEach((row, place) => counts[place]![row]!++);
    }
    for (const row of counts.flat()) expect(Math.abs(row - 1000)).toBeLessThan(150);
  });
});

describe('dropout masks', () => {
  it('drop their share, scale the rest, and depend only on the key and the index', () => {
    const mask = new Float32Array(20_000);
    dropoutMask(mask, 0.3, 123);
    const dropped = mask.filter((factor) => factor === 0).length;
    expect(Math.abs(dropped / mask.length - 0.3)).toBeLessThan(0.015);
    expect(new Set(mask)).toEqual(new Set([0, Math.fround(1 / 0.7)]));
    const shorter = new Float32Array(100);
    dropoutMask(shorter, 0.3, 123);
    expect([...shorter]).toEqual([...mask.subarray(0, 100)]);
    const other = new Float32Array(100);
    dropoutMask(other, 0.3, 124);
    expect([...other]).not.toEqual([...shorter]);
  });
});
