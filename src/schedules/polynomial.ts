import { z } from 'zod';
import { lengthOfTraining, minFactor } from './options.js';
import { byLength, defineSchedule } from './schedule.js';

/** Polynomial decay in the remaining share of its length (PyTorch's PolynomialLR); linear with power 1. */
export const polynomial = defineSchedule({
  name: 'polynomial',
  summary: 'Polynomial decay; linear with power 1',
  options: () => ({
    steps: lengthOfTraining('Steps of the decay; constant afterward'),
    power: z
      .number()
      .positive()
      .default(1)
      .describe('Exponent; 1 decays linearly, larger values decay faster at first'),
    minFactor: minFactor.describe('Final factor'),
  }),
  build: ({ steps: ownSteps, power, minFactor }) =>
    byLength(ownSteps, (step, steps) => minFactor + (1 - minFactor) * Math.max(0, 1 - step / steps) ** power),
});
