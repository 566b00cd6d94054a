import { userError } from '../../core/errors.js';
import { startScalingFit } from '../../core/scaling.js';
import type { Task } from '../../core/tasks.js';
import { watchNumbers, type LabelWatch } from './label-watch.js';

/**
 * Learns how the label of a task is scaled, from the rows that its loss counts; none where there is nothing to learn.
 * @throws UserError (data), as it finishes, where no row counts
 */
export function watchScale(task: Task, tasks: readonly Task[]): LabelWatch<unknown> | undefined {
  const fit = startScalingFit(task.scaling ?? 'none');
  if (fit === undefined) return undefined;
  const watch = watchNumbers(task, tasks, fit.observe);
  return {
    observe: watch.observe,
    finish() {
      if (watch.finish() === 0)
        throw userError('data', {
          key: `tasks.${task.name}.scaling`,
          message: 'the training set has no usable label for the task',
          fix: 'remove the task, or add labeled rows',
        });
      return fit.finish();
    },
  };
}
