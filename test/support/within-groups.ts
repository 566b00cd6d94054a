import { withMaps } from './batches.js';
import type { Workload } from '../../bench/workloads.js';
import type { Batch } from '../../src/core/batch.js';
import type { Plan } from '../../src/engines/engine.js';
import { buildModel, models } from '../../src/models/models.js';
import { randomStream } from '../../src/core/random.js';
import { groupColumn } from '../../src/core/row-key.js';
import { taskOptions, type Task } from '../../src/core/tasks.js';

/** The column that groups rows. */
export const BY = 'user';

/**
 * A plan whose tasks have another loss: clicks, and purchases after a click, so that some rows of a group do not count.
 */
export function planWith(
  plan: Plan,
  { model }: Pick<Workload, 'model'>,
  loss: object,
  type: Task['type'] = 'classification',
): Plan {
  const task = (name: string, options: object): Task => ({ name, ...taskOptions.parse({ ...options, type, loss }) });
  const tasks = [task('ctr', { label: 'click' }), task('cvr', { label: 'purchase', given: 'click' })];
  return { ...plan, graph: buildModel(models.schema.parse(model), plan.layout, tasks) };
}

/**
 * Groups a batch's rows at random, about seven per group, every tenth row in none; a third are clicked, half of these
 * bought.
 */
export function withGroups(batch: Batch, seed: number): Batch {
  const random = randomStream(seed, 'groups');
  const column = (value: () => number): Float32Array => Float32Array.from({ length: batch.rows }, value);
  const click = column(() => Number(random.below(3) === 0));
  const purchase = click.map((y) => y * random.below(2));
  const groups = column(() => (random.below(10) === 0 ? -1 : random.below(Math.ceil(batch.rows / 7))));
  return withMaps(batch, {
    labels: new Map([
      ['click', click],
      ['purchase', purchase],
      [groupColumn(BY), groups],
    ]),
  });
}
