import { buildScale, scaleSteps } from '../../core/scaling.js';
import type { LabelFacts, Task } from '../../core/tasks.js';
import type { LabeledRows } from './dataset.js';
import { watchScale } from './label-scale.js';
import { labelSums } from './label-sums.js';

/** By task: what its scaling has learned. */
export type LearnedScales = Record<string, unknown>;

/**
 * What train says of labels. Scales are learned in one pass over the label columns, where there are any.
 * @param learned what is known already of scales; what is learned is added to it
 * @throws UserError (data) for a label that is to be scaled and has no rows
 */
export async function labelFacts(
  dataset: LabeledRows,
  tasks: readonly Task[],
  learned: LearnedScales,
): Promise<LabelFacts> {
  const scales = tasks.flatMap((task) => {
    const watch = Object.hasOwn(learned, task.name) ? undefined : watchScale(task, tasks);
    return watch === undefined ? [] : [{ task, watch }];
  });
  if (scales.length > 0)
    for await (const labels of dataset.labels()) for (const { watch } of scales) watch.observe(labels);
  for (const { task, watch } of scales) learned[task.name] = watch.finish();
  const sums = await labelSums(dataset, tasks, ({ name, scaling }) =>
    scaling === undefined ? undefined : buildScale(scaling, learned[name]),
  );
  return { sums, scales: labelScales(tasks, learned) };
}

/** How the labels of tasks are scaled, from what was learned of them. */
export function labelScales(tasks: readonly Task[], learned: LearnedScales): LabelFacts['scales'] {
  return new Map(
    tasks.flatMap(({ name, scaling }) =>
      scaling === undefined ? [] : [[name, scaleSteps(scaling, learned[name])] as const],
    ),
  );
}
