import { column } from '../../core/batch.js';
import type { Kind } from './kind.js';
import { numberColumnsOf, oneValueFitter, oneValueReader } from './one-value.js';

/** One number per row. */
export const number: Kind<'number'> = {
  name: 'number',
  takesStored: ({ direct }, { kind }) =>
    kind === 'number' && direct?.cell === 'number' && direct.affine?.subtract === 0 && direct.affine.divide === 1,
  rawForm: ({ columns }, { direct }) =>
    columns.length === 1 && (direct?.cell === 'id' || direct?.cell === 'number') ? 'number' : 'text',
  takesLists: false,
  column: ({ name }) => ({ name, kind: 'number' }),
  reader: (field) =>
    oneValueReader(field.columns, { ...field, numberColumns: numberColumnsOf(field.columns, field) }, ({ numbers }) =>
      column(numbers, field.name),
    ),
  fitter: ({ columns }, fit) => oneValueFitter(columns, fit),
};
