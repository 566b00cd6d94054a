import { expect } from 'vitest';

/** Differences that rounding to 32 bits causes near 0. */
const ROUNDING = 1e-7;

/** Expects equal numbers up to 1e-5 of the largest one. */
export function expectClose(found: ArrayLike<number>, expected: readonly number[], name: string): void {
  expect(found, name).toHaveLength(expected.length);
  const bound = Math.max(1e-5 * Math.max(...expected.map(Math.abs)), ROUNDING);
  for (const [i, value] of expected.entries())
    expect(Math.abs(found[i]! - value), `${name}[${i}]`).toBeLessThanOrEqual(bound);
}
