import { z } from 'zod';
import { factor, minFactor } from './options.js';
import { defineSchedule, type Schedule } from './schedule.js';

const state = z.strictObject({
  factor,
  /** The value that progress is measured from: the last one that counted as progress. */
  mark: z.number().nullable(),
  measurementsWithoutProgress: z.int().min(0),
  /** Measurements that are still not counted. */
  resting: z.int().min(0),
});

/**
 * Falls each time that what training monitors makes no progress, as PyTorch's ReduceLROnPlateau does. Patience and progress
 * are those of early stopping: N measurements without progress, where PyTorch waits for one more.
 */
export const plateau = defineSchedule({
  name: 'plateau',
  summary: 'Multiplied by a factor each time that the monitored value makes no progress',
  options: () => ({
    factor: factor.default(0.1).describe('of each fall'),
    patience: z.int().min(1).default(1).describe('measurements on valid without progress before it falls; fewer than earlyStopping has'),
    minDelta: z.number().min(0).default(0).describe('progress smaller than this does not count'),
    cooldown: z.int().min(0).default(0).describe('measurements after a fall that do not count against it'),
    minFactor,
  }),

  build: ({ factor, patience, minDelta, cooldown, minFactor }): Schedule<z.output<typeof state>> => ({
    stateSchema: state,
    patience: { measurements: patience, minDelta },
    first: () => ({ factor: 1, mark: null, measurementsWithoutProgress: 0, resting: 0 }),
    factor: (_step, { factor }) => factor,
    observe(before, monitored, goal) {
      const sign = goal === 'higher' ? 1 : -1;
      const isProgress = monitored !== null && (before.mark === null || sign * monitored > sign * before.mark + minDelta);
      const mark = isProgress ? monitored : before.mark;
      const isResting = before.resting > 0;
      const without = isProgress || isResting ? 0 : before.measurementsWithoutProgress + 1;
      if (without < patience) return { factor: before.factor, mark, measurementsWithoutProgress: without, resting: isResting ? before.resting - 1 : 0 };
      return { factor: Math.max(minFactor, before.factor * factor), mark, measurementsWithoutProgress: 0, resting: cooldown };
    },
  }),
});
