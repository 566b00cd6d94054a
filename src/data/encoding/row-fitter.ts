import type { Chunk, ChunkRows } from '../../chunks/chunk.js';
import { reserveRows } from '../../chunks/row-block.js';
import type { Batch } from '../../core/batch.js';
import type { Fit } from '../../features/feature.js';
import type { Fitted } from '../../features/feature-types.js';
import type { FileColumns } from '../readers/cell-file.js';
import type { LateColumns } from '../rows/late-columns.js';
import type { RejectPolicy } from '../rows/rejects.js';
import type { RowFormat } from '../rows/row-format.js';
import { invalidRows, RowReader } from '../rows/row-reader.js';
import { countLeftOut, type LeftOut } from '../rows/row-rule.js';
import { createChooser, SAMPLED_AWAY, type Chooser } from '../rows/sampling.js';
import { finishFits, fitReaders, startFits, type FitReaders } from './fit-readers.js';

/** Fits vocabularies and scales on the valid rows of chunks. */
export class RowFitter {
  readonly #format: RowFormat;
  readonly #policy: RejectPolicy;
  readonly #fits: ReadonlyMap<string, Fit>;
  readonly #readers: FitReaders;
  readonly #reader: RowReader;
  readonly #leftOut: Map<string, number>;
  #isChosen: Chooser | undefined;
  #count = 0;

  /**
   * @param leftOut rows that were excluded before
   * @param last columns that are computed of the rows that are valid otherwise
   */
  constructor(format: RowFormat, policy: RejectPolicy, leftOut: LeftOut = new Map(), last?: LateColumns) {
    this.#format = format;
    this.#policy = policy;
    this.#fits = startFits(format);
    this.#readers = fitReaders(format, this.#fits, last);
    const { readers, late, together, last: ofLast } = this.#readers;
    this.#reader = new RowReader(format, readers, [...late, ...together, ...ofLast]);
    this.#leftOut = new Map(leftOut);
    this.startFile();
  }

  get fitsAnything(): boolean {
    return this.#fits.size > 0;
  }

  /** Number of rows that were observed. */
  get count(): number {
    return this.#count;
  }

  /** Excluded rows by reason. */
  get leftOut(): LeftOut {
    return this.#leftOut;
  }

  /** Labels of the chunk that was observed last. */
  get labels(): Batch['labels'] {
    return this.#readers.block.labels;
  }

  /** Starts another file: sampling numbers its rows. */
  startFile(): void {
    const { sampling, tasks } = this.#format.spec;
    this.#isChosen = sampling && createChooser(sampling, tasks);
  }

  /**
   * Observes the valid rows of a chunk.
   * @param line number of its first line
   */
  observe(chunk: Chunk, file: FileColumns, line: number): ChunkRows {
    const { block, columns, fitters } = this.#readers;
    reserveRows(block, columns, chunk.rows);
    const rows = this.#reader.read(chunk, file, block, line);
    for (const row of invalidRows(rows, chunk, file, line)) this.#policy.reject(row);
    const isChosen = this.#isChosen;
    for (let row = 0; isChosen !== undefined && row < rows.count; row++)
      if (rows.isKept(row) && !isChosen(block.labels, row)) rows.exclude(row, SAMPLED_AWAY);
    if (rows.count > 0) for (const fitter of fitters) fitter.observe(rows);
    this.#count += rows.numKept;
    countLeftOut(this.#leftOut, rows.excluded);
    return rows;
  }

  finish(): Fitted {
    return finishFits(this.#fits);
  }
}
