import { scaleSteps } from '../../scaling.js';
import type { LabelFacts, Task } from '../../tasks.js';
import type { Dataset } from './dataset.js';
import { watchBalance } from './label-balance.js';
import { watchScale } from './label-scale.js';
import { WATCHED_ROWS } from './label-watch.js';

/** By task: what its scaling has learned. */
export type LearnedScales = Record<string, unknown>;

/**
 * What train says of labels, in one pass over the encoded rows; no pass where nobody asks.
 * @param learned what is known already of scales; what is learned is added to it
 * @throws UserError (data) for a label that is to be scaled and has no rows
 */
export async function labelFacts(dataset: Dataset, tasks: readonly Task[], learned: LearnedScales): Promise<LabelFacts> {
  const balance = tasks.filter(({ positiveWeight }) => positiveWeight === 'balanced').map((task) => ({ task, watch: watchBalance(task, tasks) }));
  const scales = tasks.flatMap((task) => {
    const watch = Object.hasOwn(learned, task.name) ? undefined : watchScale(task, tasks);
    return watch === undefined ? [] : [{ task, watch }];
  });
  const watches = [...balance, ...scales].map(({ watch }) => watch);
  if (watches.length > 0) for await (const { batch } of dataset.batches(WATCHED_ROWS)) for (const watch of watches) watch.observe(batch);
  for (const { task, watch } of scales) learned[task.name] = watch.finish();
  return { balance: new Map(balance.map(({ task, watch }) => [task.name, watch.finish()])), scales: labelScales(tasks, learned) };
}

/** How the labels of tasks are scaled, from what was learned of them. */
export function labelScales(tasks: readonly Task[], learned: LearnedScales): LabelFacts['scales'] {
  return new Map(tasks.flatMap(({ name, scaling }) => (scaling === undefined ? [] : [[name, scaleSteps(scaling, learned[name])] as const])));
}
