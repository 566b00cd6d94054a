import { createRowBlock, gatherRows, type BlockColumn } from '../../chunks/row-block.js';
import { column, type Batch } from '../../core/batch.js';
import { mix, streamKey } from '../../core/random.js';
import { labelColumn, rootTasks, taskColumns, type Task } from '../../core/tasks.js';
import type { Sampling } from '../sampling-options.js';

/** Reason of rows that sampling excludes. */
export const SAMPLED_AWAY = 'negatives beyond the sample';

/** Returns whether the next valid row of a file is kept. */
export type Chooser = (batch: Batch, row: number) => boolean;

/**
 * Creates a function that decides whether to keep a row; it is called for each valid row of a file, in order. The
 * decision depends on the number of the row, so that threads, batches and the labels of other rows do not change it.
 */
export function createChooser({ rate, seed }: Sampling, tasks: readonly Task[]): Chooser {
  const names = tasks.filter(({ type }) => type === 'classification').map(labelColumn);
  // A row whose first label is unknown is not a negative.
  const knowns = rootTasks(tasks).flatMap((task) => taskColumns(task, tasks).known ?? []);
  const key = streamKey(seed, 'negatives');
  let number = 0;
  return (batch, row) => {
    const draw = mix(mix(number++) ^ key) / 2 ** 32;
    return (
      draw < rate ||
      names.some((name) => column(batch, name, 'f32').data[row] === 1) ||
      knowns.some((name) => column(batch, name, 'f32').data[row] !== 1)
    );
  };
}

/** Samples the batches of files, in order. */
export interface Sampler {
  /**
   * Returns the sampled rows of a batch, which are valid until the next call.
   * @param begins rows of the batch before which another file begins, in order
   */
  sample(batch: Batch, begins: readonly number[]): { readonly batch: Batch; readonly begins: readonly number[] };
  /** Number of excluded rows so far, by reason. */
  readonly leftOut: ReadonlyMap<string, number>;
}

/** Creates a sampler for the batches of files. */
export function createSampler(sampling: Sampling, tasks: readonly Task[], columns: readonly BlockColumn[]): Sampler {
  let isKept = createChooser(sampling, tasks);
  let block = createRowBlock(columns, 0);
  let order = new Uint32Array(0);
  const leftOut = new Map<string, number>();
  return {
    leftOut,
    sample(batch, begins) {
      if (order.length < batch.rows)
        [order, block] = [new Uint32Array(batch.rows), createRowBlock(columns, batch.rows)];
      let count = 0;
      const keptBegins: number[] = [];
      for (let row = 0; row <= batch.rows; row++) {
        for (; begins[keptBegins.length] === row; isKept = createChooser(sampling, tasks)) keptBegins.push(count);
        if (row < batch.rows && isKept(batch, row)) order[count++] = row;
      }
      if (count < batch.rows) leftOut.set(SAMPLED_AWAY, (leftOut.get(SAMPLED_AWAY) ?? 0) + batch.rows - count);
      gatherRows(batch, columns, order, count, block);
      return { batch: block, begins: keptBegins };
    },
  };
}
