import type { Dataset } from './dataset.js';
import { appendRows, createRowBlock, gatherRows, type BlockColumn, type RowBlock } from '../rows/row-block.js';
import { randomStream } from '../../random.js';

/** Rows that are read at a time. */
const READ_ROWS = 4096;

/**
 * Reads rows of a data set into memory: all of them, or `limit` of them that are drawn from all, in their order. Which ones depends
 * on the seed and on how many there are.
 * @param columns of the batches
 * @param onBatch called between batches, with the share that was read
 */
export async function holdRows(dataset: Dataset, columns: readonly BlockColumn[], limit: number, seed: number, onBatch: (share: number) => void): Promise<RowBlock> {
  const held = createRowBlock(columns, Math.min(limit, dataset.rows));
  const drawn = createRowBlock(columns, READ_ROWS);
  const order = new Uint32Array(READ_ROWS);
  const random = randomStream(seed, 'importance rows');
  let seen = 0;
  let wanted = Math.min(limit, dataset.rows);
  for await (const { batch } of dataset.batches(READ_ROWS)) {
    // Each row with the chance that keeps all choices equally likely (Knuth, The Art of Computer Programming 2, algorithm 3.4.2 S).
    let count = 0;
    for (let row = 0; row < batch.rows; row++) {
      const isWanted = wanted === dataset.rows - seen || (wanted > 0 && random.uniform() * (dataset.rows - seen) < wanted);
      seen++;
      if (!isWanted) continue;
      order[count++] = row;
      wanted--;
    }
    if (count === batch.rows) appendRows(batch, 0, count, held);
    else {
      gatherRows(batch, order, count, drawn);
      appendRows(drawn, 0, count, held);
    }
    onBatch(seen / dataset.rows);
  }
  return held;
}
