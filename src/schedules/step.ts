import { factor, length, minFactor } from './options.js';
import { byStep, defineSchedule } from './schedule.js';

/** Falls by a factor every so many steps, and is level between them (PyTorch's StepLR). */
export const step = defineSchedule({
  name: 'step',
  summary: 'Multiplied by a factor every N steps, level in between',
  options: () => ({
    everySteps: length.describe('steps from one fall to the next'),
    factor: factor.default(0.1).describe('of each fall'),
    minFactor,
  }),
  build: ({ everySteps, factor, minFactor }) => byStep((step) => Math.max(minFactor, factor ** Math.floor(step / everySteps))),
});
