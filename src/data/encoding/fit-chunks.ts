import type { ChunkRows } from '../../chunks/chunk.js';
import { createRowBlock, reserveRows, type BlockColumn, type RowBlock } from '../../chunks/row-block.js';
import type { Batch } from '../../core/batch.js';
import { cleanEncoder, cleanFit } from '../../features/clean-field.js';
import type { Fit } from '../../features/feature.js';
import type { Fitted } from '../../features/feature-types.js';
import type { FieldFitter, ReadColumns } from '../../features/kinds/kind.js';
import { fieldColumn, fieldFitter, fieldReader, isCompared } from '../../features/kinds/kinds.js';
import type { FileChunk, FileColumns } from '../readers/cell-file.js';
import { eventReaders, eventStorage } from '../rows/event-columns.js';
import { labelReaders } from '../rows/label-columns.js';
import { countLeftOut, type LeftOut, type RejectPolicy } from '../rows/rejects.js';
import type { LateColumns } from '../rows/row-collector.js';
import type { RowFilter } from '../rows/row-filter.js';
import { labelStorage, type RowFormat } from '../rows/row-format.js';
import { invalidRows, RowReader } from '../rows/row-reader.js';
import { noRows } from './no-rows.js';
import { createChooser, SAMPLED_AWAY, type Chooser } from '../rows/sampling.js';

/** Starts the fit of each field that owns one, by name. */
export function startFits({ fields }: RowFormat): ReadonlyMap<string, Fit> {
  const fits = new Map<string, Fit>();
  for (const field of fields)
    if (field.owner === field.name && field.startFit !== undefined) fits.set(field.name, field.startFit());
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

interface FitOptions {
  /** Rows that were excluded before. */
  readonly leftOut?: LeftOut;
  /** Filter that excluded rows; default: the filter of the format. */
  readonly filter?: RowFilter | undefined;
  /** Columns that are computed of the rows that are valid otherwise. */
  readonly last?: readonly LateColumns[];
  /** Receives the rows of each chunk, and a batch with their labels. Default: no pass if nothing is fitted. */
  readonly onRows?: (rows: ChunkRows, batch: Batch) => void;
}

/**
 * Fits vocabularies and scales on the valid rows of chunks, in one pass.
 * @param paths of the rows
 * @throws UserError (data) for an invalid row that the policy does not skip, and if no row is left
 */
export async function fitChunks(
  chunks: AsyncIterable<FileChunk>,
  paths: readonly string[],
  format: RowFormat,
  policy: RejectPolicy,
  { leftOut, filter = format.spec.filter, last = [], onRows }: FitOptions = {},
): Promise<Fitted> {
  const { sampling, tasks } = format.spec;
  const fits = startFits(format);
  if (fits.size === 0 && onRows === undefined) return {};
  const { readers, late, fitters, block, columns } = fitReaders(format, fits, { last });
  const reader = new RowReader(format, readers, late);
  const excluded = new Map(leftOut);
  let isChosen: Chooser | undefined;
  let file: FileColumns | undefined;
  let count = 0;
  for await (const { chunk, columns: own, line } of chunks) {
    // Sampling numbers the rows of a file.
    if (own !== file) isChosen = sampling && createChooser(sampling, tasks);
    file = own;
    reserveRows(block, columns, chunk.rows);
    const rows = reader.read(chunk, file, block, line);
    for (const row of invalidRows(rows, chunk, file, line)) policy.reject(row);
    for (let row = 0; isChosen !== undefined && row < rows.count; row++)
      if (rows.isKept(row) && !isChosen(block, row)) rows.exclude(row, SAMPLED_AWAY);
    if (rows.count > 0) for (const fitter of fitters) fitter.observe(rows);
    count += rows.numKept;
    countLeftOut(excluded, rows.excluded);
    onRows?.(rows, block);
  }
  if (count === 0) throw noRows(paths, excluded, filter, policy.reasons);
  return finishFits(fits);
}
