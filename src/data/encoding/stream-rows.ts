import type { Batch } from '../../core/batch.js';
import type { RowSource } from '../files/row-reader.js';
import type { RejectPolicy } from '../rows/rejects.js';
import { blockColumns, blockReaders, blockRows, createRowBlock } from '../rows/row-block.js';
import type { EncodedFormat } from '../rows/row-format.js';
import type { LeftOut } from '../rows/row-rule.js';
import { createEncoders, type EncodersOptions } from './encode-pool.js';
import { readRows } from './fill-blocks.js';
import { createKeptCells, type RowsBeside } from './kept-cells.js';

/** Rows that are read together, where these are not wide. */
const BLOCK_ROWS = 1 << 12;

/** Rows on their way through, and what passes beside them. */
export interface StreamedRows extends RowsBeside {
  readonly batch: Batch;
}

/** Takes rows in their order; their memory is used again when its promise is kept. */
export type TakeRows = (rows: StreamedRows) => Promise<void>;

/**
 * Encodes all rows of a file of cells, a block at a time, and keeps none.
 * @param kept columns whose cells pass as they are
 * @returns the rows that were left out
 * @throws UserError (data) for a row that the policy does not let pass
 */
export async function streamRows(
  source: RowSource,
  format: EncodedFormat,
  kept: readonly string[],
  policy: RejectPolicy,
  take: TakeRows,
  onShare: (share: number) => void,
  options: EncodersOptions,
): Promise<LeftOut> {
  const columns = blockColumns(format);
  const capacity = blockRows(columns, BLOCK_ROWS);
  const block = createRowBlock(columns, capacity);
  const cells = createKeptCells(kept, source, block);
  const readers = [...blockReaders(block, format.fields, format.labels), ...cells.readers];
  const elsewhere =
    options.threads > 1
      ? createEncoders(source, format, options, { policy, kept, onRows: (batch, beside) => take({ batch, ...beside }) })
      : undefined;
  try {
    const { leftOut } = await readRows(source, {
      format,
      readers,
      block,
      capacity,
      policy: cells.noting(policy),
      onBlock: () => take({ batch: block, ...cells.take() }),
      onShare,
      elsewhere,
    });
    return leftOut;
  } finally {
    await elsewhere?.close();
  }
}
