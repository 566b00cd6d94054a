import { column } from '../../core/batch.js';
import type { Kind } from './kind.js';
import { oneValueKind } from './one-value.js';

/** One number per row. A number between the rows of a table is a bag of both in the model input. */
export const number: Kind<'number'> = {
  ...oneValueKind((block, name) => column(block, name, 'f32').data),
  name: 'number',
  holdsNumbers: true,
  column: ({ name }) => ({ name, kind: 'number' }),
  inputSource: ({ owner, isBetweenRows }) =>
    isBetweenRows === true
      ? { kind: 'bag', table: owner, pooling: 'sum', maxItems: 2, isBetweenRows }
      : { kind: 'number' },
  takesStored: ({ direct }, { kind }) =>
    kind === 'number' && direct?.cell === 'number' && direct.affine?.subtract === 0 && direct.affine.divide === 1,
};
