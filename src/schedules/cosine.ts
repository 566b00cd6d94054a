import { z } from 'zod';
import { lengthOfTraining, minFactor } from './options.js';
import { byLength, defineSchedule } from './schedule.js';

/**
 * Half a cosine from 1 down to its end, once or again and again: SGDR (Loshchilov & Hutter 2017, equation 5,
 * https://arxiv.org/abs/1608.03983), PyTorch's CosineAnnealingLR and CosineAnnealingWarmRestarts.
 */
export const cosine = defineSchedule({
  name: 'cosine',
  summary: 'Cosine decay, once or with warm restarts (SGDR)',
  options: () => ({
    steps: lengthOfTraining('Steps of the decay, or of the first cycle with restarts'),
    minFactor: minFactor.describe('Final factor'),
    restarts: z
      .strictObject({ tMult: z.int().min(1).max(1000).default(1).describe('Length ratio of successive cycles') })
      .optional()
      .describe('Warm restarts after each cycle; default: constant at minFactor'),
  }),
  build: ({ steps: ownSteps, minFactor, restarts }) =>
    byLength(ownSteps, (step, steps) => {
      const way = restarts === undefined ? Math.min(1, step / steps) : wayDown(step, steps, restarts.tMult);
      // (1 + cos πx) / 2, without the loss of digits near the end.
      return minFactor + (1 - minFactor) * Math.cos((Math.PI / 2) * way) ** 2;
    }),
});

/** How far down its cycle a step is, from 0 to 1. */
function wayDown(step: number, steps: number, tMult: number): number {
  if (tMult === 1) return (step % steps) / steps;
  let [at, cycle] = [step, steps];
  while (at >= cycle) {
    at -= cycle;
    cycle *= tMult;
  }
  return at / cycle;
}
