import type { Dataset } from './dataset.js';
import { appendRows, createRowBlock, gatherRows, type BlockColumn, type RowBlock } from '../../chunks/row-block.js';
import { drawing, randomStream } from '../../core/random.js';

/** Rows that are read at a time. */
const READ_ROWS = 4096;

/**
 * Reads rows of a data set into memory: all of them, or `limit` of them that are drawn from all, in their order. Which
 * ones depends
 * on the seed and on how many there are.
 * @param columns of the batches
 * @param onBatch called between batches, with the share that was read
 */
export async function holdRows(
  dataset: Dataset,
  columns: readonly BlockColumn[],
  limit: number,
  seed: number,
  onBatch: (share: number) => void,
): Promise<RowBlock> {
  const held = createRowBlock(columns, Math.min(limit, dataset.rows));
  const drawn = createRowBlock(columns, READ_ROWS);
  const order = new Uint32Array(READ_ROWS);
  const isDrawn = drawing(limit, dataset.rows, randomStream(seed, 'importance rows'));
  let seen = 0;
  for await (const { batch } of dataset.batches(READ_ROWS)) {
    let count = 0;
    for (let row = 0; row < batch.rows; row++) if (isDrawn()) order[count++] = row;
    seen += batch.rows;
    if (count === batch.rows) appendRows(batch, columns, 0, count, held);
    else {
      gatherRows(batch, columns, order, count, drawn);
      appendRows(drawn, columns, 0, count, held);
    }
    onBatch(seen / dataset.rows);
  }
  return held;
}
