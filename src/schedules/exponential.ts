import { factor, length, minFactor } from './options.js';
import { byStep, defineSchedule } from './schedule.js';

/** Falls by the same ratio in every step: with `everySteps` 1 it is PyTorch's ExponentialLR. */
export const exponential = defineSchedule({
  name: 'exponential',
  summary: 'Multiplied by a factor every N steps, evenly in between',
  options: () => ({
    everySteps: length.describe('steps in which it falls by the factor'),
    factor: factor.positive().default(0.1).describe('what it falls by in so many steps'),
    minFactor,
  }),
  build: ({ everySteps, factor, minFactor }) => byStep((step) => Math.max(minFactor, factor ** (step / everySteps))),
});
