import { column, type Batch } from '../../core/batch.js';
import { mix, streamKey } from '../../core/random.js';
import { labelColumn, rootTasks, taskColumns, type Task } from '../../core/tasks.js';
import type { Sampling } from '../sampling-options.js';
import { createRowBlock, gatherRows, type BlockColumn } from '../../chunks/row-block.js';

/** What each row that is left out is counted under. */
export const SAMPLED_AWAY = 'negatives beyond the sample';

type Labels = ReadonlyMap<string, Float32Array>;

/** Returns whether the next usable row of a file is kept. */
export type Chooser = (labels: Labels, row: number) => boolean;

/**
 * Decides on the usable rows of a file, in their order. A row has its number among them, so that neither threads nor
 * pieces nor the
 * other rows' labels change what becomes of it.
 */
export function createChooser({ rate: negatives, seed }: Sampling, tasks: readonly Task[]): Chooser {
  const names = tasks.filter(({ type }) => type === 'classification').map(labelColumn);
  // Where nobody knows whether there was a click, there is no negative of it.
  const knowns = rootTasks(tasks).flatMap((task) => taskColumns(task, tasks).known ?? []);
  const key = streamKey(seed, 'negatives');
  let number = 0;
  return (labels, row) => {
    const draw = mix(mix(number++) ^ key) / 2 ** 32;
    return (
      draw < negatives ||
      names.some((name) => column(labels, name)[row] === 1) ||
      knowns.some((name) => column(labels, name)[row] !== 1)
    );
  };
}

/** Makes the same choice for rows in batches, in their order. */
export interface Sampler {
  /**
   * Returns the rows that are kept, which are valid until the next call.
   * @param begins rows of the batch before which another file begins, in order
   */
  sample(batch: Batch, begins: readonly number[]): { readonly batch: Batch; readonly begins: readonly number[] };
  /** Rows so far that are not, by reason. */
  readonly leftOut: ReadonlyMap<string, number>;
}

/** Creates a sampler for the batches of files. */
export function createSampler(sampling: Sampling, tasks: readonly Task[], columns: readonly BlockColumn[]): Sampler {
  let isKept = createChooser(sampling, tasks);
  let kept = createRowBlock(columns, 0);
  let order = new Uint32Array(0);
  const leftOut = new Map<string, number>();
  return {
    leftOut,
    sample(batch, begins) {
      if (order.length < batch.rows) [order, kept] = [new Uint32Array(batch.rows), createRowBlock(columns, batch.rows)];
      let count = 0;
      const keptBegins: number[] = [];
      for (let row = 0; row <= batch.rows; row++) {
        for (; begins[keptBegins.length] === row; isKept = createChooser(sampling, tasks)) keptBegins.push(count);
        if (row < batch.rows && isKept(batch.labels, row)) order[count++] = row;
      }
      if (count < batch.rows) leftOut.set(SAMPLED_AWAY, (leftOut.get(SAMPLED_AWAY) ?? 0) + batch.rows - count);
      gatherRows(batch, columns, order, count, kept);
      return { batch: kept, begins: keptBegins };
    },
  };
}
