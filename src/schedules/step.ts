import { factor, length, minFactor } from './options.js';
import { byLength, defineSchedule } from './schedule.js';

/** Decays by a factor every `everySteps` steps, constant in between (PyTorch's StepLR). */
export const step = defineSchedule({
  name: 'step',
  summary: 'Step decay: by a factor every N steps',
  options: () => ({
    everySteps: length.describe('Steps between decays'),
    factor: factor.default(0.1).describe('Decay factor'),
    minFactor,
  }),
  build: ({ everySteps, factor, minFactor }) =>
    byLength(everySteps, (step, steps) => Math.max(minFactor, factor ** Math.floor(step / steps))),
});
