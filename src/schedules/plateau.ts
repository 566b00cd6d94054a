import { z } from 'zod';
import { factor, minFactor } from './options.js';
import { defineSchedule, type Schedule } from './schedule.js';

const stateShape = {
  factor,
  /** Baseline of progress: the last value that counted as an improvement. */
  mark: z.number().nullable(),
  measurementsWithoutProgress: z.int().min(0),
  /** Remaining measurements of the cooldown. */
  resting: z.int().min(0),
};

type State = { readonly [Key in keyof typeof stateShape]: z.output<(typeof stateShape)[Key]> };

/**
 * Decays whenever the monitored value stops improving, as PyTorch's ReduceLROnPlateau. Patience and improvement mean
 * the same as in early stopping: N measurements without improvement; PyTorch waits for one more.
 */
export const plateau = defineSchedule({
  name: 'plateau',
  summary: 'Decay by a factor when the monitored value stops improving',
  options: () => ({
    factor: factor.default(0.1).describe('Decay factor'),
    patience: z
      .int()
      .min(1)
      .default(1)
      .describe('Validations without improvement before a decay; keep it below earlyStopping.patience'),
    minDelta: z.number().min(0).default(0).describe('Minimum change that counts as an improvement'),
    cooldown: z.int().min(0).default(0).describe('Validations to ignore after a decay'),
    minFactor,
  }),

  build: ({ factor, patience, minDelta, cooldown, minFactor }): Schedule<State> => ({
    stateShape,
    patience: { measurements: patience, minDelta },
    first: () => ({ factor: 1, mark: null, measurementsWithoutProgress: 0, resting: 0 }),
    factor: (_step, { factor }) => factor,
    observe(previous, monitored, goal) {
      const sign = goal === 'higher' ? 1 : -1;
      const isProgress =
        monitored !== null && (previous.mark === null || sign * monitored > sign * previous.mark + minDelta);
      const mark = isProgress ? monitored : previous.mark;
      const isResting = previous.resting > 0;
      const stalled = isProgress || isResting ? 0 : previous.measurementsWithoutProgress + 1;
      if (stalled < patience)
        return {
          factor: previous.factor,
          mark,
          measurementsWithoutProgress: stalled,
          resting: isResting ? previous.resting - 1 : 0,
        };
      return {
        factor: Math.max(minFactor, previous.factor * factor),
        mark,
        measurementsWithoutProgress: 0,
        resting: cooldown,
      };
    },
  }),
});
