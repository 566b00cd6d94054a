import { z } from 'zod';
import { defineDomain, spaceEvenly } from './domain.js';
import { checkEnds, steps } from './options.js';

/** Significant digits of values; rounding hides the noise of exp and log. */
const DIGITS = 6;

/** Real numbers with a uniform logarithm, for learning rates and penalties. */
export const logUniform = defineDomain({
  name: 'log-uniform',
  summary: 'Log-uniform real numbers in a range, for learning rates and penalties',
  options: () => ({ low: z.number().positive(), high: z.number().positive(), steps }),
  check: checkEnds,
  build({ low, high, steps }) {
    const [logLow, logHigh] = [Math.log(low), Math.log(high)];
    return {
      axis: { kind: 'line', low: logLow, high: logHigh, step: 0, isLog: true },
      toValue: (coordinate) => Math.min(high, Math.max(low, Number(Math.exp(coordinate).toPrecision(DIGITS)))),
      toCoordinate: (value) =>
        typeof value === 'number' && value >= low && value <= high ? Math.log(value) : undefined,
      grid: spaceEvenly(logLow, logHigh, steps),
    };
  },
});
