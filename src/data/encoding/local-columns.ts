import { cleanFit } from '../../features/clean-field.js';
import type { Field, Fit } from '../../features/feature.js';
import { blockColumns, type BlockColumn } from '../rows/row-block.js';
import type { RowFormat } from '../rows/row-format.js';
import { fitsOf } from './fit.js';

// Local rows are those of one file, in numbers that stand on this file alone: before anything is learned from it and
// the others. What is
// learned, and what is encoded by it, can be made of them again without the file, cell by cell as it is made of the
// file.

/** How the cells of a field stand in local rows. */
export type LocalForm =
  /** As they are encoded: nothing is learned for them. */
  | 'encoded'
  /** An id plus one; 0 for an empty cell. */
  | 'id'
  /** A number in all of its 64 bits, as two words; NaN for an empty cell. */
  | 'number'
  /** The number of a text among those of the file. */
  | 'text'
  /** The numbers of the texts of items, with their weights. */
  | 'items'
  /** The numbers of a vector, as the weights of a bag: none for an empty cell. */
  | 'vector';

/** A field in local rows. */
export interface LocalField {
  readonly field: Field;
  readonly form: LocalForm;
  /**
   * What looks at its cells, and would learn from them for itself or for the field whose table it shares; undefined
   * where nothing is learned.
   */
  readonly fit: Fit | undefined;
  readonly column: BlockColumn;
}

/** All that stands in local rows. */
export interface LocalRows {
  readonly fields: readonly LocalField[];
  /** Those of labels and of masks, then those of fields, then keys; all but those of fields are what they are. */
  readonly columns: readonly BlockColumn[];
  /** By field that learns something of its own. What cells stand for is known in local rows. */
  readonly fits: ReadonlyMap<string, Fit>;
}

/** Thrown where a file's rows cannot stand for themselves: which are good depends on files before it. */
export class NotLocal extends Error {
  override readonly name = 'NotLocal';
}

/** How the rows of a format stand in local rows. The fits are new. */
export function localRows(format: RowFormat): LocalRows {
  const fits = fitsOf(format);
  const fields = format.fields.map((field): LocalField => {
    const ownersFit = fits.get(field.owner);
    const fit = ownersFit && cleanFit(ownersFit, field);
    const form = formOf(field, fit);
    return { field, form, fit, column: columnOf(field, form) };
  });
  const ofKind = (wanted: BlockColumn['kind']): readonly BlockColumn[] =>
    blockColumns(format).filter(({ kind }) => kind === wanted);
  return { fields, columns: [...ofKind('label'), ...fields.map(({ column }) => column), ...ofKind('key')], fits };
}

/** Words of a number of 64 bits. */
const NUMBER_WORDS = 2;

function formOf({ kind }: Field, fit: Fit | undefined): LocalForm {
  if (fit === undefined) return 'encoded';
  if (kind === 'bag') return 'items';
  if (kind === 'vector') return 'vector';
  return fit.direct === undefined || fit.direct.cell === 'token' ? 'text' : fit.direct.cell;
}

function columnOf({ name, kind, encoder }: Field, form: LocalForm): BlockColumn {
  switch (form) {
    case 'encoded':
      return kind === 'vector' ? { name, kind, width: encoder(undefined).width! } : { name, kind };
    case 'id':
    case 'text':
      return { name, kind: 'id' };
    case 'number':
      return { name, kind: 'vector', width: NUMBER_WORDS };
    case 'items':
    case 'vector':
      return { name, kind: 'bag' };
  }
}
