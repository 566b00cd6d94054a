import type { Batch } from '../../core/batch.js';
import type { EncodedField } from '../../features/feature.js';
import type { DialectOptions } from '../dialect.js';
import { createValueEncoder } from './encode-values.js';
import type { GivenRows } from './object-rows.js';
import { observeCells, type CountsByColumn } from './observe-cells.js';
import { collectRowProblems, type RowProblems } from './row-problems.js';

/** Rows of a program on their way into a model. */
export interface GivenReading {
  /** Encodes the rows; a batch is valid until the next one. */
  readonly batches: Iterable<{ readonly batch: Batch; readonly begin: number }>;
  /** Problems of the batches so far. */
  readonly problems: RowProblems;
  /** Counts of the batches so far. */
  readonly counts: CountsByColumn;
}

/** Rows that are encoded at a time. */
const BATCH_ROWS = 4096;

/**
 * Creates a reader of rows of a program, whose memory is used again by the next rows.
 * @param decimal separator in texts; a dot by default
 */
export function createGivenReader(
  fields: readonly EncodedField[],
  decimal?: DialectOptions['decimal'],
): (given: GivenRows) => GivenReading {
  const encoder = createValueEncoder(fields, decimal);
  return (given) => {
    const problems = collectRowProblems(fields, given);
    const { cellsOf, reject, endBatch, counts } = observeCells(fields, given, problems.addAbsent);
    function* encode(): Generator<{ readonly batch: Batch; readonly begin: number }> {
      for (let begin = 0; begin < given.count; begin += BATCH_ROWS) {
        const batch = encoder.encode(Math.min(BATCH_ROWS, given.count - begin), begin, cellsOf, (cell) => {
          reject(cell.columns);
          problems.addCell(cell);
        });
        endBatch(batch);
        yield { batch, begin };
      }
    }
    return { batches: encode(), problems, counts };
  };
}
