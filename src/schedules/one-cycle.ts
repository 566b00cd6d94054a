import { z } from 'zod';
import type { ValidationIssue } from '../core/component.js';
import { factor, lengthOfTraining } from './options.js';
import { byLength, defineSchedule } from './schedule.js';

/** A phase of the cycle: its last step and the factor there. */
interface Phase {
  readonly end: number;
  readonly factor: number;
}

const BETWEEN = {
  cos: (from: number, to: number, way: number): number => to + (from - to) * Math.cos((Math.PI / 2) * way) ** 2,
  linear: (from: number, to: number, way: number): number => to + (from - to) * (1 - way),
};

/**
 * One rise and one decay to almost zero (Smith & Topin 2018, https://arxiv.org/abs/1708.07120), with the curve,
 * defaults and phase ends of PyTorch's OneCycleLR. Momentum is not changed.
 */
export const oneCycle = defineSchedule({
  name: 'one-cycle',
  summary: 'One cycle: linear or cosine rise, then a decay to almost zero',
  options: () => ({
    steps: lengthOfTraining('Steps of the cycle; constant afterwards'),
    rise: z.number().gt(0).lt(1).default(0.3).describe('Fraction of the steps with a rising learning rate'),
    firstFactor: factor.default(1 / 25).describe('Initial factor'),
    lastFactor: factor.default(1 / 25e4).describe('Final factor'),
    shape: z.enum(['cos', 'linear']).default('cos').describe('Annealing curve of both phases'),
    threePhases: z
      .boolean()
      .default(false)
      .describe('Whether to add a final phase below the initial factor, as in the paper'),
  }),

  *check(options): Generator<ValidationIssue> {
    const { steps, rise } = options;
    if (steps === undefined) return;
    const [top, ...others] = phasesOf(options, steps);
    if (top!.end <= 0) {
      yield {
        path: ['rise'],
        message: `expected 2 steps of rise or more, found ${rise} × ${steps} steps; take a larger share, or steps of at least ${Math.ceil(2 / rise)}`,
      };
    } else if (others.some(({ end }, i) => i > 0 && end <= others[i - 1]!.end)) {
      yield {
        path: ['rise'],
        message: `expected room for an end after the rise and as long a fall, found ${rise} × ${steps} steps for each; take a share below a half`,
      };
    }
  },

  build(options) {
    const between = BETWEEN[options.shape];
    return byLength(options.steps, (step, steps) => {
      let from: Phase = { end: 0, factor: options.firstFactor };
      for (const phase of phasesOf(options, steps)) {
        // Phases may be empty if training has few steps.
        if (step <= phase.end && phase.end > from.end)
          return between(from.factor, phase.factor, (step - from.end) / (phase.end - from.end));
        from = phase;
      }
      return options.lastFactor;
    });
  },
});

interface Cycle {
  readonly rise: number;
  readonly firstFactor: number;
  readonly lastFactor: number;
  readonly threePhases: boolean;
}

function phasesOf({ rise, firstFactor, lastFactor, threePhases }: Cycle, steps: number): readonly Phase[] {
  const top = { end: rise * steps - 1, factor: 1 };
  const back = { end: 2 * rise * steps - 2, factor: firstFactor };
  return [top, ...(threePhases ? [back] : []), { end: steps - 1, factor: lastFactor }];
}
