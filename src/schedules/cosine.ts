import { z } from 'zod';
import { lengthOfTraining, minFactor } from './options.js';
import { byLength, defineSchedule } from './schedule.js';

/**
 * Half a cosine from 1 down to its end, once or again and again: SGDR (Loshchilov & Hutter 2017, equation 5,
 * https://arxiv.org/abs/1608.03983), PyTorch's CosineAnnealingLR and CosineAnnealingWarmRestarts.
 */
export const cosine = defineSchedule({
  name: 'cosine',
  summary: 'Half a cosine down, once or with restarts (SGDR)',
  options: () => ({
    steps: lengthOfTraining('steps of the way down; of the first one where there are restarts'),
    minFactor: minFactor.describe('what it falls to'),
    restarts: z
      .strictObject({ stretch: z.int().min(1).max(1000).default(1).describe('how many times as long as the one before each way down is') })
      .optional()
      .describe('back to 1 at the end, and down again; without it, level from there on'),
  }),
  build: ({ steps: ownSteps, minFactor, restarts }) =>
    byLength(ownSteps, (step, steps) => {
      const way = restarts === undefined ? Math.min(1, step / steps) : wayDown(step, steps, restarts.stretch);
      // (1 + cos πx) / 2, without the loss of digits near the end.
      return minFactor + (1 - minFactor) * Math.cos((Math.PI / 2) * way) ** 2;
    }),
});

/** How far down its cycle a step is, from 0 to 1. */
function wayDown(step: number, steps: number, stretch: number): number {
  if (stretch === 1) return (step % steps) / steps;
  let [at, cycle] = [step, steps];
  while (at >= cycle) {
    at -= cycle;
    cycle *= stretch;
  }
  return at / cycle;
}
