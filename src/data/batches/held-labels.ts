import type { ChunkRows } from '../../chunks/chunk.js';
import { column, numberColumn, type Batch } from '../../core/batch.js';
import { labelStorage, type RowFormat } from '../rows/row-format.js';
import type { LabeledRows } from './dataset.js';

/** Labels of rows in memory. */
export class HeldLabels implements LabeledRows {
  readonly labelCounts: LabeledRows['labelCounts'] = new Map();
  readonly #names: readonly string[];
  readonly #batches: Batch[] = [];

  constructor(format: RowFormat) {
    this.#names = labelStorage(format).map(({ name }) => name);
  }

  get rows(): number {
    return this.#batches.reduce((sum, { rows }) => sum + rows, 0);
  }

  labels(): readonly Batch[] {
    return this.#batches;
  }

  /**
   * Copies the labels of a batch.
   * @param rows of the batch, of which those that are kept are copied; default: all
   */
  add(batch: Batch, rows?: ChunkRows): void {
    const copy = ({ data }: { readonly data: Float32Array }): Float32Array =>
      rows === undefined
        ? data.slice(0, batch.rows)
        : data.subarray(0, rows.count).filter((_, row) => rows.isKept(row));
    this.#batches.push({
      rows: rows?.numKept ?? batch.rows,
      columns: new Map(this.#names.map((name) => [name, numberColumn(copy(column(batch, name, 'f32')))])),
    });
  }
}
