import { z } from 'zod';
import { lengthOfTraining, minFactor } from './options.js';
import { byLength, defineSchedule } from './schedule.js';

/** Falls to its end as a power of what is left of its length (PyTorch's PolynomialLR); linear with power 1. */
export const polynomial = defineSchedule({
  name: 'polynomial',
  summary: 'Falls as a power of the steps that are left; linear with power 1',
  options: () => ({
    steps: lengthOfTraining('steps until it has fallen; level from then on'),
    power: z.number().positive().default(1).describe('1 falls evenly, more falls fast at first'),
    minFactor: minFactor.describe('what it falls to'),
  }),
  build: ({ steps: ownSteps, power, minFactor }) => byLength(ownSteps, (step, steps) => minFactor + (1 - minFactor) * Math.max(0, 1 - step / steps) ** power),
});
