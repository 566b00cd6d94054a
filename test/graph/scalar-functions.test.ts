import { describe, expect, it } from 'vitest';
import { SCALAR_ACTIVATIONS, SCALAR_FUNCTIONS, type ScalarFunction } from '../../src/graph/scalar-functions.js';
import { inFloat64 } from '../support/float64-pass.js';

const FUNCTIONS: [string, ScalarFunction][] = Object.entries({ ...SCALAR_FUNCTIONS, ...SCALAR_ACTIVATIONS });

describe('scalar functions', () => {
  it.each(FUNCTIONS)('have the derivative of difference quotients: %s', (name, each) => {
    const [f, slope] = inFloat64(each);
    const step = 1e-5;
    for (const x of [-2.3, -0.7, 0.4, 1.9]) {
      if (x <= (each.above ?? -Infinity)) continue;
      expect(slope(x), `${name} at ${x}`).toBeCloseTo((f(x + step) - f(x - step)) / (2 * step), 6);
    }
  });
});
