import type { EncodedField } from '../features/features.js';
import { randomStream, shuffledOrder } from '../random.js';
import type { Batch } from './batch.js';
import { noRows } from './fit.js';
import type { Funnel, LabelColumn } from './labels.js';
import type { RejectPolicy } from './rejects.js';
import { blockReaders, createRowBlock, gather } from './row-block.js';
import { funnelCheck, openRows, rowReader, type RowSource } from './rows.js';

/** A batch, and how many rows there seem to be. */
export interface BatchRead {
  /** Valid until the next one is asked for: its memory is used again. */
  readonly batch: Batch;
  /** Rows of the whole file, estimated from the share of its bytes that was read; exact once all of it was. */
  readonly totalRows: number;
}

/** How rows are put in order: none, or shuffled within windows by seed and epoch alone. */
export interface Shuffle {
  readonly seed: number;
  readonly epoch: number;
  /** Rows that are shuffled together. */
  readonly window: number;
}

/** A CSV as batches. */
export interface Dataset {
  readonly path: string;
  /** Every usable row once; all batches are full but the last. */
  batches(batchSize: number, shuffle?: Shuffle): AsyncGenerator<BatchRead>;
}

/** Rows that are read ahead where nothing is shuffled. */
const READ_AHEAD_ROWS = 1 << 14;

/**
 * Opens a CSV as a data set; its header is checked now, its rows as they are read.
 * @throws UserError (data) for a file that cannot be read, lacks a column, or holds a row that the policy does not let pass
 */
export async function openDataset(
  path: string,
  fields: readonly EncodedField[],
  labels: readonly LabelColumn[],
  funnels: readonly Funnel[],
  policy: RejectPolicy,
): Promise<Dataset> {
  const source = await openRows(path, [...labels, ...fields].map(({ name }) => name));
  return {
    path,
    async *batches(batchSize, shuffle) {
      // Whole batches, so that only the last one of the file may be short.
      const window = Math.max(1, Math.ceil((shuffle?.window ?? READ_AHEAD_ROWS) / batchSize)) * batchSize;
      yield* readBatches(source, { fields, labels, funnels, policy, batchSize, window, shuffle });
    },
  };
}

interface ReadOptions {
  readonly fields: readonly EncodedField[];
  readonly labels: readonly LabelColumn[];
  readonly funnels: readonly Funnel[];
  readonly policy: RejectPolicy;
  readonly batchSize: number;
  /** Rows of a window: a multiple of the batch size. */
  readonly window: number;
  readonly shuffle: Shuffle | undefined;
}

async function* readBatches(source: RowSource, options: ReadOptions): AsyncGenerator<BatchRead> {
  const { fields, labels, funnels, policy, batchSize, window, shuffle } = options;
  const block = createRowBlock(fields, labels, window);
  const batch = createRowBlock(fields, labels, batchSize);
  const order = new Uint32Array(window).map((_, i) => i);
  const random = shuffle && randomStream(shuffle.seed, 'shuffle', shuffle.epoch);
  const readRow = rowReader(source, blockReaders(block, fields, labels), funnelCheck(source, labels, funnels), policy);
  let rowsRead = 0;

  function* emit(shareRead: number): Generator<BatchRead> {
    if (random !== undefined) shuffledOrder(order, block.rows, random);
    for (let begin = 0; begin < block.rows; begin += batchSize) {
      gather(block, order, begin, Math.min(begin + batchSize, block.rows), batch);
      yield { batch, totalRows: Math.round(rowsRead / shareRead) };
    }
    block.rows = 0;
  }

  for await (const { rows, lines, progress } of source.csv.rows()) {
    for (let r = 0; r < rows.length; r++) {
      if (!readRow(rows[r]!, lines[r]!)) continue;
      block.rows++;
      rowsRead++;
      if (block.rows === window) yield* emit(progress);
    }
  }
  yield* emit(1);
  if (rowsRead === 0) throw noRows(source.csv.path);
}
