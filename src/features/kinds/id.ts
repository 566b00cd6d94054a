import { column } from '../../core/batch.js';
import type { Kind } from './kind.js';
import { numberColumnsOf, oneValueFitter, oneValueReader } from './one-value.js';

/** One id per row. */
export const id: Kind<'id'> = {
  name: 'id',
  takesStored: ({ direct }, { kind, size = Infinity }) =>
    kind === 'id' && direct?.cell === 'id' && size <= direct.below,
  rawForm: ({ columns }, { direct }) =>
    columns.length === 1 && (direct?.cell === 'id' || direct?.cell === 'number') ? 'number' : 'text',
  takesLists: false,
  column: ({ name }) => ({ name, kind: 'id' }),
  reader: (field) =>
    oneValueReader(field.columns, { ...field, numberColumns: numberColumnsOf(field.columns, field) }, ({ ids }) =>
      column(ids, field.name),
    ),
  fitter: ({ columns }, fit) => oneValueFitter(columns, fit),
};
