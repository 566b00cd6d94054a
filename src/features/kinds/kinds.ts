import type { ChunkRows } from '../../chunks/chunk.js';
import type { Lists } from '../../chunks/column.js';
import type { BlockColumn } from '../../chunks/row-block.js';
import type { InputSource } from '../../tables/layout.js';
import type { EncodedField, Encoder, Field, Fit } from '../feature.js';
import * as all from './all.js';
import type { FieldFitter, Kind, RawForm, ReadColumns, StoredColumn } from './kind.js';

/** Returns the kind of a field, whose methods take fields of that kind. */
function kindOf({ kind }: Pick<Field, 'kind'>): Kind<Field['kind']> {
  return all[kind] as Kind<Field['kind']>;
}

/** Returns the storage of a field's encoded values. */
export function fieldColumn(field: Field): BlockColumn {
  return kindOf(field).column(field);
}

/** Returns where the model input takes the values of a field from. */
export function inputSource(field: Field): InputSource {
  return kindOf(field).inputSource(field);
}

/** Creates a reader for an encoded field. */
export function fieldReader(field: EncodedField): ReadColumns {
  return kindOf(field).reader(field);
}

/** Creates a fitter for a field. */
export function fieldFitter(field: Field, fit: Fit): FieldFitter {
  return kindOf(field).fitter(field, fit);
}

/** Returns whether the columns of a field may be lists. */
export function takesLists<F extends Pick<Field, 'kind'>>(field: F): field is F & { kind: 'bag' | 'vector' } {
  return kindOf(field).takesLists;
}

/** Returns whether a field is read after the labels of a row are settled. */
export function isCompared(field: Pick<Field, 'kind'>): boolean {
  return kindOf(field).isCompared;
}

/** Returns whether an encoded field of one column takes stored values as they are. */
export function takesStored(field: EncodedField, stored: StoredColumn): boolean {
  return kindOf(field).takesStored(field, stored);
}

/** Returns how the values of a field's columns are kept before they are encoded. */
export function rawForm(field: Field, reading: Pick<Encoder, 'direct'> | Fit): RawForm {
  return kindOf(field).rawForm(field, reading);
}

/** Creates a function from a chunk to the lists of a field of lists. */
export function fieldLists(field: Field): (rows: ChunkRows) => Lists {
  return kindOf(field).lists!(field);
}
