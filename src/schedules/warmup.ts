import { z } from 'zod';
import { factor, length } from './options.js';
import type { Schedule } from './schedule.js';

/**
 * What a schedule may have before it: a linear rise to where it starts (Goyal et al. 2017,
 * https://arxiv.org/abs/1706.02677).
 */
export const warmupOptions = z.strictObject({
  steps: length.describe('Warmup steps before the schedule starts'),
  startFactor: factor.default(0.01).describe('Initial factor'),
});
export type WarmupOptions = z.output<typeof warmupOptions>;

/** The schedule with a rise to its first factor before it; its own steps are counted from the end of the rise. */
export function withWarmup(schedule: Schedule, { steps, startFactor }: WarmupOptions): Schedule {
  return {
    ...schedule,
    first: (trainingSteps) => schedule.first(Math.max(1, trainingSteps - steps)),
    factor(step, state) {
      if (step >= steps) return schedule.factor(step - steps, state);
      return (startFactor + (1 - startFactor) * (step / steps)) * schedule.factor(0, state);
    },
  };
}
