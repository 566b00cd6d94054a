import type { Experiment } from '../config/experiment.js';
import { checkDelta } from '../runs/options.js';
import type { CheckpointSchedule } from '../runs/checkpointer.js';

/** Minutes between full checkpoints, and between deltas, if a config sets no interval: a stream has no epochs. */
const [FULL_MINUTES, DELTA_MINUTES] = [5, 0.05];

/**
 * Returns the schedule of checkpoints on a stream: the schedule of the config or, without any interval in it, a delta
 * every 3 seconds of training, so that `mtl live` serves fresh weights. If a step changes all rows of a table, each
 * checkpoint is a full one.
 */
export function streamSchedule({ checkpoints, training }: Experiment): CheckpointSchedule {
  const { everySteps, everyMinutes, delta } = checkpoints;
  if (everySteps !== undefined || everyMinutes !== undefined || delta !== undefined) return checkpoints;
  const withDeltas = { ...checkpoints, everyMinutes: FULL_MINUTES, delta: { everyMinutes: DELTA_MINUTES } };
  const [problem] = checkDelta(withDeltas, training);
  return { ...(problem === undefined ? withDeltas : { ...checkpoints, everyMinutes: DELTA_MINUTES }), isPaced: true };
}
