import { appendRows, createRowBlock, gatherRows, type BlockColumn, type RowBlock } from '../../chunks/row-block.js';
import { drawing, randomStream } from '../../core/random.js';
import type { Dataset } from './dataset.js';

/** Rows per batch that is read. */
const READ_ROWS = 4096;

/**
 * Reads the rows of a data set into memory: all of them, or a random sample of `limit` rows, in their order. The sample
 * depends only on the seed and the number of rows.
 * @param columns columns of the batches
 * @param onBatch called after each batch, with the share of rows that were read
 */
export async function holdRows(
  dataset: Dataset,
  columns: readonly BlockColumn[],
  limit: number,
  seed: number,
  onBatch: (share: number) => void,
): Promise<RowBlock> {
  const sample = createRowBlock(columns, Math.min(limit, dataset.rows));
  const sampledOfBatch = createRowBlock(columns, READ_ROWS);
  const order = new Uint32Array(READ_ROWS);
  const isSampled = drawing(limit, dataset.rows, randomStream(seed, 'importance rows'));
  let numRead = 0;
  for await (const { batch } of dataset.batches(READ_ROWS)) {
    let count = 0;
    for (let row = 0; row < batch.rows; row++) if (isSampled()) order[count++] = row;
    if (count < batch.rows) gatherRows(batch, columns, order, count, sampledOfBatch);
    appendRows(count < batch.rows ? sampledOfBatch : batch, columns, 0, count, sample);
    numRead += batch.rows;
    onBatch(numRead / dataset.rows);
  }
  return sample;
}
