import { z } from 'zod';
import { defineDomain, spaceEvenly, type Domain } from './domain.js';
import { checkEnds, steps } from './options.js';

/** Maximum number of values that a grid lists without an explicit count. */
const MAX_GRID_VALUES = 1000;

/** Integers in a range. Each value has a cell of one step around it, so that all are equally likely. */
export const int = defineDomain({
  name: 'int',
  summary: 'Uniform integers in a range, both ends included',
  options: () => ({
    low: z.int(),
    high: z.int(),
    step: z.int().min(1).default(1).describe('Distance between values'),
    log: z.boolean().default(false).describe('Whether to sample on a logarithmic scale'),
    steps,
  }),
  *check({ low, high, step, log }) {
    yield* checkEnds({ low, high });
    if (log && low < 1) yield { path: ['low'], message: `expected at least 1 with log: true, found ${low}` };
    if (log && step > 1) yield { path: ['log'], message: `log: true requires step: 1, found ${step}` };
    if ((high - low) % step !== 0)
      yield {
        path: ['high'],
        message:
          `expected low plus a multiple of step (${step}), ` + `such as ${high - ((high - low) % step)}, found ${high}`,
      };
  },
  build({ low, high, step, log, steps }): Domain {
    const [transform, invert] = log ? [Math.log, Math.exp] : [(x: number) => x, (x: number) => x];
    const toValue = (coordinate: number): number =>
      Math.min(high, Math.max(low, low + step * Math.round((invert(coordinate) - low) / step)));
    const toCoordinate = (value: unknown): number | undefined =>
      typeof value === 'number' && value >= low && value <= high && (value - low) % step === 0
        ? transform(value)
        : undefined;
    const count = (high - low) / step + 1;
    const gridCount = steps ?? count;
    const grid =
      gridCount > MAX_GRID_VALUES
        ? undefined
        : gridCount >= count
          ? Array.from({ length: count }, (_, i) => transform(low + i * step))
          : spaceEvenly(transform(low), transform(high), gridCount);
    return {
      axis: {
        kind: 'line',
        low: transform(low - step / 2),
        high: transform(high + step / 2),
        step: log ? 0 : step,
        isLog: log,
      },
      toValue: toValue,
      toCoordinate: toCoordinate,
      // Points of a logarithmic line may round to the same integer.
      grid: grid && [...new Set(grid.map(toValue))].map(transform),
    };
  },
});
