import { describe, expect, it } from 'vitest';
import { shouldPromote, findRung } from '../../src/study/asha.js';

describe('asha', () => {
  it('has rungs at the first epoch times powers of the factor', () => {
    const options = { minEpochs: 2, reductionFactor: 3 };
    expect([1, 2, 3, 6, 12, 18, 54].map((epoch) => findRung(options, epoch))).toEqual([
      undefined,
      0,
      undefined,
      1,
      undefined,
      2,
      3,
    ]);
  });

  it('lets the best third go on, and while there are fewer than three the best', () => {
    expect(shouldPromote(5, [5], 3)).toBe(true);
    expect(shouldPromote(5, [5, 4], 3)).toBe(false);
    expect(shouldPromote(4, [5, 4], 3)).toBe(true);
    const costs = [1, 2, 3, 4, 5, 6];
    expect(costs.map((cost) => shouldPromote(cost, costs, 3))).toEqual([true, true, false, false, false, false]);
    // As many as are alike.
    expect(shouldPromote(1, [1, 1, 1], 3)).toBe(true);
  });
});
