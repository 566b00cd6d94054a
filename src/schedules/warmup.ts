import { z } from 'zod';
import { factor, length, toSteps } from './options.js';
import type { Schedule, ScheduleState } from './schedule.js';

const START_FACTOR = 0.01;

/** Linear warmup before a schedule (Goyal et al. 2017, https://arxiv.org/abs/1706.02677): a length, or a map. */
export const warmupOptions = z.union([
  z.strictObject({
    steps: length.describe('Warmup steps before the schedule starts: an integer, a share of training or epochs'),
    startFactor: factor.default(START_FACTOR).describe('Initial factor'),
  }),
  length.transform((steps) => ({ steps, startFactor: START_FACTOR })),
]);
export type WarmupOptions = z.output<typeof warmupOptions>;

/** Prepends a linear rise to the schedule's initial factor; the schedule's steps start after it. */
export function withWarmup(schedule: Schedule, { steps: length, startFactor }: WarmupOptions): Schedule {
  const isFixed = typeof length === 'number';
  const stepsOf = (state: ScheduleState): number => (isFixed ? length : Number(state['warmupSteps']));
  return {
    ...schedule,
    stateShape: isFixed ? schedule.stateShape : { ...schedule.stateShape, warmupSteps: z.int().min(1) },
    first(training) {
      const warmupSteps = toSteps(length, training);
      const own = schedule.first({ ...training, steps: Math.max(1, training.steps - warmupSteps) });
      return isFixed ? own : { ...own, warmupSteps };
    },
    factor(step, state) {
      const steps = stepsOf(state);
      if (step >= steps) return schedule.factor(step - steps, state);
      return (startFactor + (1 - startFactor) * (step / steps)) * schedule.factor(0, state);
    },
    ...(schedule.observe !== undefined && {
      observe: (state, monitored, goal) => ({ ...state, ...schedule.observe!(state, monitored, goal) }),
    }),
  };
}
