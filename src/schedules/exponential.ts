import { factor, length, minFactor } from './options.js';
import { byLength, defineSchedule } from './schedule.js';

/** Decays by the same ratio in every step; with `everySteps` 1 it is PyTorch's ExponentialLR. */
export const exponential = defineSchedule({
  name: 'exponential',
  summary: 'Exponential decay: continuous, by a factor every N steps',
  options: () => ({
    everySteps: length.describe('Steps per decay by the factor'),
    factor: factor.positive().default(0.1).describe('Decay factor'),
    minFactor,
  }),
  build: ({ everySteps, factor, minFactor }) =>
    byLength(everySteps, (step, steps) => Math.max(minFactor, factor ** (step / steps))),
});
