import { z } from 'zod';
import type { ValidationIssue } from '../core/component.js';
import { factor, lengthOfTraining } from './options.js';
import { byLength, defineSchedule } from './schedule.js';

/** A stretch of the cycle: the step it ends at, and the factor there. */
interface Phase {
  readonly end: number;
  readonly factor: number;
}

const BETWEEN = {
  cos: (from: number, to: number, way: number): number => to + (from - to) * Math.cos((Math.PI / 2) * way) ** 2,
  linear: (from: number, to: number, way: number): number => to + (from - to) * (1 - way),
};

/**
 * One rise and one fall to almost nothing (Smith & Topin 2018, https://arxiv.org/abs/1708.07120) in the shape of
 * PyTorch's OneCycleLR, its defaults and its ends of phases; momentum is left alone.
 */
export const oneCycle = defineSchedule({
  name: 'one-cycle',
  summary: 'One cycle: linear or cosine rise, then a decay to almost zero',
  options: () => ({
    steps: lengthOfTraining('Steps of the cycle; constant afterwards'),
    warmupShare: z.number().gt(0).lt(1).default(0.3).describe('Fraction of the steps with a rising learning rate'),
    startFactor: factor.default(1 / 25).describe('Initial factor'),
    finalFactor: factor.default(1 / 25e4).describe('Final factor'),
    annealStrategy: z.enum(['cos', 'linear']).default('cos').describe('Annealing curve of both phases'),
    threePhase: z
      .boolean()
      .default(false)
      .describe('Whether to add a final phase below the initial factor, as in the paper'),
  }),

  *check(options): Generator<ValidationIssue> {
    const { steps, warmupShare } = options;
    if (steps === undefined) return;
    const [top, ...others] = phasesOf(options, steps);
    if (top!.end <= 0) {
      yield {
        path: ['warmupShare'],
        message: `expected 2 steps of rise or more, found ${warmupShare} × ${steps} steps; take a larger share, or steps of at least ${Math.ceil(2 / warmupShare)}`,
      };
    } else if (others.some(({ end }, i) => i > 0 && end <= others[i - 1]!.end)) {
      yield {
        path: ['warmupShare'],
        message: `expected room for an end after the rise and as long a fall, found ${warmupShare} × ${steps} steps for each; take a share below a half`,
      };
    }
  },

  build(options) {
    const between = BETWEEN[options.annealStrategy];
    return byLength(options.steps, (step, steps) => {
      let from: Phase = { end: 0, factor: options.startFactor };
      for (const phase of phasesOf(options, steps)) {
        // A training of few steps has no room for every phase.
        if (step <= phase.end && phase.end > from.end)
          return between(from.factor, phase.factor, (step - from.end) / (phase.end - from.end));
        from = phase;
      }
      return options.finalFactor;
    });
  },
});

interface Cycle {
  readonly warmupShare: number;
  readonly startFactor: number;
  readonly finalFactor: number;
  readonly threePhase: boolean;
}

function phasesOf({ warmupShare, startFactor, finalFactor, threePhase }: Cycle, steps: number): readonly Phase[] {
  const top = { end: warmupShare * steps - 1, factor: 1 };
  const back = { end: 2 * warmupShare * steps - 2, factor: startFactor };
  return [top, ...(threePhase ? [back] : []), { end: steps - 1, factor: finalFactor }];
}
