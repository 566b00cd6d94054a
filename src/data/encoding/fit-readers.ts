import { createRowBlock, type BlockColumn, type RowBlock } from '../../chunks/row-block.js';
import { cleanEncoder, cleanFit } from '../../features/clean-field.js';
import type { Field, Fit } from '../../features/feature.js';
import type { Fitted } from '../../features/feature-types.js';
import type { FieldFitter, ReadColumns } from '../../features/kinds/kind.js';
import { fieldColumn, fieldFitter, fieldReader, isCompared } from '../../features/kinds/kinds.js';
import { eventReaders, eventStorage } from '../rows/event-columns.js';
import { labelReaders } from '../rows/label-columns.js';
import type { LateColumns } from '../rows/late-columns.js';
import { labelStorage, type RowFormat } from '../rows/row-format.js';

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
export interface FitReaders {
  readonly readers: readonly ReadColumns[];
  /** Readers of the rows that are valid otherwise. */
  readonly late: readonly ReadColumns[];
  /** Compare the rows that are valid by then; raw rows are compared when they are fitted. */
  readonly together: readonly ReadColumns[];
  /** Readers of columns that are computed of the rows that are valid by then. */
  readonly last: readonly ReadColumns[];
  readonly fitters: readonly FieldFitter[];
  /** Block of the labels, and of the fields that are not fitted. */
  readonly block: RowBlock;
  readonly columns: readonly BlockColumn[];
}

/**
 * Creates the readers of a fit: a row with any invalid value is not observed.
 * @param last columns that are computed of the rows that are valid otherwise
 */
export function fitReaders(format: RowFormat, fits: ReadonlyMap<string, Fit>, last?: LateColumns): FitReaders {
  const labels = labelReaders(format.labels);
  const [readers, late]: [ReadColumns[], ReadColumns[]] = [[...labels.readers], []];
  const ofLast: ReadColumns[] = last === undefined ? [] : [last.read];
  const readersOf = (field: Field): ReadColumns[] =>
    last?.isReadBy(field) === true ? ofLast : isCompared(field) ? late : readers;
  const columns = labelStorage(format);
  const fitters: FieldFitter[] = [];
  for (const field of format.fields) {
    const fit = fits.get(field.owner);
    if (fit === undefined) {
      if (field.logged !== undefined) continue;
      const encoded = { ...field, ...cleanEncoder(field.encoder(undefined), field) };
      readersOf(field).push(fieldReader(encoded));
      columns.push(fieldColumn(encoded));
      continue;
    }
    const fitter = fieldFitter(field, cleanFit(fit, field));
    fitters.push(fitter);
    readersOf(field).push((rows) => fitter.check(rows));
  }
  readers.push(...eventReaders(format.fields, format.spec.cells));
  columns.push(...eventStorage(format.fields));
  const together = fitters.flatMap(({ checkTogether }) => checkTogether ?? []);
  const block = createRowBlock(columns, 0);
  return { readers, late: [...late, ...labels.late], together, last: ofLast, fitters, block, columns };
}
