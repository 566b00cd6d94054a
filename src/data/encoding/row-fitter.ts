import type { Chunk, ChunkRows } from '../../chunks/chunk.js';
import { createRowBlock, reserveRows, type BlockColumn, type RowBlock } from '../../chunks/row-block.js';
import { column } from '../../core/batch.js';
import { cleanEncoder, cleanFit } from '../../features/clean-field.js';
import type { Fit } from '../../features/feature.js';
import type { Fitted } from '../../features/feature-types.js';
import type { FieldFitter, ReadColumns } from '../../features/kinds/kind.js';
import { fieldColumn, fieldFitter, fieldReader, isCompared } from '../../features/kinds/kinds.js';
import type { FileColumns } from '../readers/cell-file.js';
import { eventReaders, eventStorage } from '../rows/event-columns.js';
import { labelReaders } from '../rows/label-columns.js';
import { countLeftOut, type LeftOut, type RejectPolicy } from '../rows/rejects.js';
import type { LateColumns } from '../rows/row-collector.js';
import { labelStorage, type RowFormat } from '../rows/row-format.js';
import { invalidRows, RowReader } from '../rows/row-reader.js';
import { noRows } from './no-rows.js';
import { createChooser, SAMPLED_AWAY, type Chooser } from '../rows/sampling.js';

/** Starts the fit of each field that owns one, by name. */
export function startFits({ fields }: RowFormat): ReadonlyMap<string, Fit> {
  const fits = new Map<string, Fit>();
  for (const field of fields) {
    const fit = field.owner === field.name ? field.startFit() : undefined;
    if (fit !== undefined) fits.set(field.name, fit);
  }
  return fits;
}

/** Finishes fits; returns the fitted parameters by field. */
export function finishFits(fits: ReadonlyMap<string, Fit>): Fitted {
  return Object.fromEntries([...fits].map(([name, fit]) => [name, fit.finish()]));
}

/** Readers that check all values of a row, and the fitters that observe the rows that are valid. */
interface FitReaders {
  readonly readers: readonly ReadColumns[];
  /** Readers of the rows that are valid otherwise. */
  readonly late: readonly ReadColumns[];
  readonly fitters: readonly FieldFitter[];
  /** Block of the labels, and of the fields that are not fitted. */
  readonly block: RowBlock;
  readonly columns: readonly BlockColumn[];
}

/**
 * Creates the readers of a fit: a row with any invalid value is not observed.
 * @param options.last columns that are computed of the rows that are valid otherwise
 * @param options.comparesRows whether rows that disagree with earlier ones are invalid; default: true
 */
export function fitReaders(
  format: RowFormat,
  fits: ReadonlyMap<string, Fit>,
  { last = [], comparesRows = true }: { readonly last?: readonly LateColumns[]; readonly comparesRows?: boolean },
): FitReaders {
  const labels = labelReaders(format.labels);
  const columns = labelStorage(format);
  const fitters: FieldFitter[] = [];
  const [own, compared, computed]: [ReadColumns[], ReadColumns[], ReadColumns[]] = [[], [], []];
  for (const field of format.fields) {
    const group = last.some((each) => each.isReadBy(field)) ? computed : isCompared(field) ? compared : own;
    const fit = fits.get(field.owner);
    if (fit !== undefined) {
      const fitter = fieldFitter(field, cleanFit(fit, field));
      fitters.push(fitter);
      group.push((rows) => fitter.check(rows));
    } else if (field.logged === undefined) {
      const encoded = { ...field, ...cleanEncoder(field.encoder(undefined), field) };
      group.push(fieldReader(encoded));
      columns.push(fieldColumn(encoded));
    }
  }
  columns.push(...eventStorage(format.fields));
  const together = comparesRows ? fitters.flatMap(({ checkTogether }) => checkTogether ?? []) : [];
  return {
    readers: [...labels.readers, ...own, ...eventReaders(format.fields, format.spec.cells)],
    late: [...compared, ...labels.late, ...together, ...last.map(({ read }) => read), ...computed],
    fitters,
    block: createRowBlock(columns, 0),
    columns,
  };
}

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
  constructor(
    format: RowFormat,
    policy: RejectPolicy,
    leftOut: LeftOut = new Map(),
    last: readonly LateColumns[] = [],
  ) {
    this.#format = format;
    this.#policy = policy;
    this.#fits = startFits(format);
    this.#readers = fitReaders(format, this.#fits, { last });
    this.#reader = new RowReader(format, this.#readers.readers, this.#readers.late);
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

  /** Returns a label of the rows of the chunk that was observed last. */
  label(name: string): Float32Array {
    return column(this.#readers.block, name, 'f32').data;
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
      if (rows.isKept(row) && !isChosen(block, row)) rows.exclude(row, SAMPLED_AWAY);
    if (rows.count > 0) for (const fitter of fitters) fitter.observe(rows);
    this.#count += rows.numKept;
    countLeftOut(this.#leftOut, rows.excluded);
    return rows;
  }

  /**
   * @param paths of the rows
   * @param filter that excluded rows; default: the filter of the format
   * @throws UserError (data) if no row was observed
   */
  finish(paths: readonly string[], filter = this.#format.spec.filter): Fitted {
    if (this.#count === 0) throw noRows(paths, this.#leftOut, filter, this.#policy.reasons);
    return finishFits(this.#fits);
  }
}
