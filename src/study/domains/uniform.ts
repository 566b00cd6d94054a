import { z } from 'zod';
import { defineDomain, spaceEvenly } from './domain.js';
import { checkEnds, steps } from './options.js';

export const uniform = defineDomain({
  name: 'uniform',
  summary: 'Uniform real numbers in a range',
  options: () => ({ low: z.number(), high: z.number(), steps }),
  check: checkEnds,
  build: ({ low, high, steps }) => ({
    axis: { kind: 'line', low, high, step: 0, isLog: false },
    toValue: (coordinate) => Math.min(high, Math.max(low, coordinate)),
    toCoordinate: (value) => (typeof value === 'number' && value >= low && value <= high ? value : undefined),
    grid: spaceEvenly(low, high, steps),
  }),
});
