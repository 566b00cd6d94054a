import { batchStorage, createRowBlock, gatherRows, type RowBlock } from '../chunks/row-block.js';
import { sliceRows, withColumns, type Batch } from '../core/batch.js';

/** Rows in memory as batches, with permuted fields. */
export interface Permuter {
  /** Returns the unpermuted rows. */
  unpermuted(): Iterable<Batch>;
  /**
   * Returns the rows with the given fields of row r replaced by the fields of row `order[r]`; bags and vectors move as
   * a whole. A batch is valid until the next one.
   */
  permuted(fields: readonly string[], order: Uint32Array): Iterable<Batch>;
}

/** Creates a permuter over `rows`; copies only permuted columns. */
export function createPermuter(rows: RowBlock, batchRows: number): Permuter {
  const begins = Array.from({ length: Math.ceil(rows.rows / batchRows) }, (_, i) => i * batchRows);
  const batches = begins.map((begin) => sliceRows(rows, begin, Math.min(rows.rows, begin + batchRows)));

  /** Replaces the columns of some fields, batch by batch. */
  function* permuteBatches(fields: readonly string[], order: Uint32Array): Generator<Batch> {
    const moved = batchStorage(rows).filter(({ name }) => fields.includes(name));
    const target = createRowBlock(moved, batchRows);
    for (const [i, batch] of batches.entries()) {
      const begin = begins[i]!;
      gatherRows(rows, moved, order.subarray(begin, begin + batch.rows), batch.rows, target);
      yield withColumns(batch, target.columns);
    }
  }

  return { unpermuted: () => batches, permuted: permuteBatches };
}
