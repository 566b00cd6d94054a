import type { EncodedField } from '../features/features.js';
import { randomStream, shuffledOrder } from '../random.js';
import type { BatchRead } from '../batch.js';
import { noRows } from './fit.js';
import type { RejectPolicy } from './rejects.js';
import type { RowFormat } from './row-format.js';
import { blockColumns, blockReaders, createRowBlock, gather } from './row-block.js';
import { funnelCheck, rowReader, type RowSource } from './rows.js';

/** How rows are put in order: none, or shuffled within windows by seed and epoch alone. */
export interface Shuffle {
  readonly seed: number;
  readonly epoch: number;
  /** Rows that are shuffled together. */
  readonly window: number;
}

/** A CSV as batches. */
export interface Dataset {
  /** Every usable row once; all batches are full but the last. */
  batches(batchSize: number, shuffle?: Shuffle): AsyncGenerator<BatchRead>;
}

/** A format whose fields are ready to encode. */
export interface EncodedFormat extends RowFormat {
  readonly fields: readonly EncodedField[];
}

/** Rows that are read ahead where nothing is shuffled. */
const READ_AHEAD_ROWS = 1 << 14;

/**
 * A CSV as a data set. Its batches throw a UserError (data) for a row that the policy does not let pass, and for a file
 * without a usable row.
 */
export function createDataset(source: RowSource, format: EncodedFormat, policy: RejectPolicy): Dataset {
  return {
    batches(batchSize, shuffle) {
      // Whole batches, so that only the last one of the file may be short.
      const window = Math.max(1, Math.ceil((shuffle?.window ?? READ_AHEAD_ROWS) / batchSize)) * batchSize;
      return readBatches(source, { format, policy, batchSize, window, shuffle });
    },
  };
}

interface ReadOptions {
  readonly format: EncodedFormat;
  readonly policy: RejectPolicy;
  readonly batchSize: number;
  /** Rows of a window: a multiple of the batch size. */
  readonly window: number;
  readonly shuffle: Shuffle | undefined;
}

async function* readBatches(source: RowSource, options: ReadOptions): AsyncGenerator<BatchRead> {
  const { format, policy, batchSize, window, shuffle } = options;
  const { fields, labels } = format;
  const block = createRowBlock(blockColumns(format), window);
  const batch = createRowBlock(blockColumns(format), batchSize);
  const order = new Uint32Array(window).map((_, i) => i);
  const random = shuffle && randomStream(shuffle.seed, 'shuffle', shuffle.epoch);
  const readRow = rowReader(source, blockReaders(block, fields, labels), funnelCheck(source, format), policy);
  let rowsRead = 0;

  function* emit(shareRead: number): Generator<BatchRead> {
    if (random !== undefined) shuffledOrder(order, block.rows, random);
    for (let begin = 0; begin < block.rows; begin += batchSize) {
      gather(block, order, begin, Math.min(begin + batchSize, block.rows), batch);
      yield { batch, totalRows: Math.round(rowsRead / shareRead) };
    }
    block.rows = 0;
  }

  let before = 0;
  for await (const { rows, lines, progress } of source.csv.rows()) {
    for (let r = 0; r < rows.length; r++) {
      if (!readRow(rows[r]!, lines[r]!)) continue;
      block.rows++;
      rowsRead++;
      // The rows of a read come at once; up to this one, so much of them is used.
      if (block.rows === window) yield* emit(before + ((progress - before) * (r + 1)) / rows.length);
    }
    before = progress;
  }
  yield* emit(1);
  if (rowsRead === 0) throw noRows(source.csv.path);
}
