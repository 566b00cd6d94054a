import type { Task } from '../../core/tasks.js';
import type { Dataset } from './dataset.js';
import { WATCHED_ROWS, watchNumbers } from './label-watch.js';

/** A variance beyond which a squared error drowns log losses, which are below 1: that of 0 to 11, evenly spread. */
const WIDE = 10;

/** What to tell of regressions whose label spreads far and is not scaled, a line each: from the first rows of train. */
export async function wideLabelNotices(dataset: Dataset, tasks: readonly Task[]): Promise<readonly string[]> {
  const watched = tasks
    .filter(
      ({ type, scaling, labelRange }) => type === 'regression' && scaling === undefined && labelRange === undefined,
    )
    .map((task) => {
      const sums = { of: 0, ofSquares: 0 };
      const watch = watchNumbers(task, tasks, (value) => {
        sums.of += value;
        sums.ofSquares += value * value;
      });
      return { task, sums, watch };
    });
  if (watched.length === 0) return [];
  for await (const { batch } of dataset.batches(WATCHED_ROWS)) {
    for (const { watch } of watched) watch.observe(batch);
    break;
  }
  return watched.flatMap(({ task: { name }, sums, watch }) => {
    const rows = watch.finish();
    const mean = sums.of / rows;
    const deviation = Math.sqrt(sums.ofSquares / rows - mean * mean);
    if (!(deviation ** 2 > WIDE)) return [];
    return [
      `task '${name}': labels have a standard deviation of ${deviation.toPrecision(3)} in the first ${rows} ` +
        'rows of the training set, so its loss dominates the other tasks; set scaling: standard for the task, or ' +
        `scaling: [log1p, standard] for amounts with a long tail (predictions keep the label's units)`,
    ];
  });
}
