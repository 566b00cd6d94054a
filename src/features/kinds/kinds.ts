import type { BlockColumn } from '../../chunks/row-block.js';
import type { InputSource } from '../../tables/layout.js';
import { takesNumbers, type CellOptions } from '../cells.js';
import { readableField } from '../computed.js';
import type { EncodedField, Encoder, Field, Fit, Source } from '../feature.js';
import * as all from './all.js';
import { listReading } from './bag.js';
import type { FieldFitter, Kind, RawReading, ReadColumns, StoredColumn } from './kind.js';
import { listNumberColumns } from './one-value.js';

/** Returns the kind of a field, whose methods take fields of that kind. */
function kindOf({ kind }: Pick<Field, 'kind'>): Kind<Field['kind']> {
  return all[kind] as Kind<Field['kind']>;
}

/** Returns the storage of a field's encoded values. */
export function fieldColumn(field: Field): BlockColumn {
  return kindOf(field).column(field);
}

/** Returns the storage of the encoded lists of a field; undefined if its values are not stored as lists. */
export function listStorage(field: Field): 'bag' | 'vector' | undefined {
  const { kind } = fieldColumn(field);
  return kind === 'bag' || kind === 'vector' ? kind : undefined;
}

/** Returns where the model input takes the values of a field from; undefined for the items of a sequence. */
export function inputSource(field: Field): InputSource | undefined {
  return kindOf(field).inputSource?.(field);
}

/** Creates a reader for an encoded field. */
export function fieldReader(field: EncodedField): ReadColumns {
  const { field: readable, prepare } = readableField(field);
  const read = kindOf(field).reader(readable);
  if (prepare === undefined) return read;
  return (rows, block) => {
    prepare(rows);
    read(rows, block);
  };
}

/** Creates a reader for a field whose computed lists are a column of the field's name. */
export function listFieldReader(field: EncodedField): ReadColumns {
  return kindOf(field).reader({ ...field, columns: [field.name] });
}

/** Creates a fitter for a field. */
export function fieldFitter(field: Field, fit: Fit): FieldFitter {
  const { field: readable, prepare } = readableField(field);
  const fitter = kindOf(field).fitter(readable, fit);
  if (prepare === undefined) return fitter;
  return {
    check(rows) {
      prepare(rows);
      fitter.check(rows);
    },
    observe: (rows) => fitter.observe(rows),
  };
}

/** Returns whether the columns of a field may be lists. */
export function takesLists(field: Pick<Field, 'kind'>): boolean {
  return kindOf(field).takesLists;
}

/** Returns whether a field is read after the labels of a row are settled. */
export function isCompared(field: Pick<Field, 'kind'>): boolean {
  return kindOf(field).isCompared;
}

/** Returns whether an encoded value of a field is a number, of a row or of an item of its list. */
export function holdsNumbers(field: Pick<Field, 'kind'>): boolean {
  return kindOf(field).holdsNumbers;
}

/** Returns the columns of a field whose values are lists. */
export function listColumns(field: Field): readonly string[] {
  const { columns, computed } = field;
  if (computed === undefined) return takesLists(field) ? columns : [];
  return computed.sources.filter(({ holds }) => holds === 'bag').map(({ name }) => name);
}

/** Returns whether an encoded field takes the stored values of its column as they are. */
export function takesStored(field: EncodedField, stored: StoredColumn): boolean {
  return field.columns.length === 1 && field.computed === undefined && kindOf(field).takesStored(field, stored);
}

/** Returns how the values of a field's columns are kept before they are encoded. */
export function rawReadings(field: Field, reading: Encoder | Fit): readonly RawReading[] {
  const { columns, computed, cells = {} } = field;
  if (computed !== undefined) return computed.sources.map((source) => sourceReading(source, cells));
  const form = kindOf(field).rawForm(field, reading);
  const isNumber = listNumberColumns(columns, reading).length > 0;
  return columns.map((column) => ({ column, form, isNumber, lists: kindOf(field).lists?.(field) }));
}

/** Returns how a source of a computed number is kept. */
function sourceReading(source: Source, cells: CellOptions): RawReading {
  const { name: column, holds } = source;
  if (holds === 'bag') return { column, form: 'list', isNumber: false, lists: listReading(column, source.form, cells) };
  const isNumber = holds === 'number';
  return { column, form: isNumber && takesNumbers(cells, 'number') ? 'number' : 'text', isNumber };
}
