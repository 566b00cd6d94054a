import { z } from 'zod';
import type { ValidationIssue } from '../core/component.js';
import { factor, lengthOfTraining } from './options.js';
import { byLength, defineSchedule } from './schedule.js';

/** A phase of the cycle: its last step and the factor there. */
interface Phase {
  readonly end: number;
  readonly factor: number;
}

const INTERPOLATIONS = {
  cos: (start: number, end: number, progress: number): number =>
    end + (start - end) * Math.cos((Math.PI / 2) * progress) ** 2,
  linear: (start: number, end: number, progress: number): number => end + (start - end) * (1 - progress),
};

/**
 * One rise and one decay to almost zero (Smith & Topin 2018, https://arxiv.org/abs/1708.07120), with the curve,
 * defaults and phase ends of PyTorch's OneCycleLR. Momentum is not changed.
 */
export const oneCycle = defineSchedule({
  name: 'one-cycle',
  summary: 'One cycle: linear or cosine rise, then a decay to almost zero',
  options: () => ({
    steps: lengthOfTraining('Steps of the cycle; constant afterward'),
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
    if (typeof steps !== 'number') return;
    const [top, ...others] = listPhases(options, steps);
    if (top!.end <= 0) {
      yield {
        path: ['warmupShare'],
        message:
          `expected at least 2 rising steps, found ${warmupShare} × ${steps} steps; ` +
          `use a larger value, or at least ${Math.ceil(2 / warmupShare)} steps`,
      };
    } else if (others.some(({ end }, i) => i > 0 && end <= others[i - 1]!.end)) {
      yield {
        path: ['warmupShare'],
        message:
          'expected a rise, an equally long fall and a final phase, ' +
          `found ${warmupShare} × ${steps} steps for each of the first two; use a value below 0.5`,
      };
    }
  },

  build(options) {
    const interpolate = INTERPOLATIONS[options.annealStrategy];
    return byLength(options.steps, (step, steps) => {
      let start: Phase = { end: 0, factor: options.startFactor };
      for (const phase of listPhases(options, steps)) {
        // Phases may be empty if training has few steps.
        if (step <= phase.end && phase.end > start.end)
          return interpolate(start.factor, phase.factor, (step - start.end) / (phase.end - start.end));
        start = phase;
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

function listPhases({ warmupShare, startFactor, finalFactor, threePhase }: Cycle, steps: number): readonly Phase[] {
  const top = { end: warmupShare * steps - 1, factor: 1 };
  const back = { end: 2 * warmupShare * steps - 2, factor: startFactor };
  return [top, ...(threePhase ? [back] : []), { end: steps - 1, factor: finalFactor }];
}
