import { column } from '../../core/batch.js';
import type { Kind } from './kind.js';
import { oneValueKind } from './one-value.js';

/** One id per row. */
export const id: Kind<'id'> = {
  ...oneValueKind((block, name) => column(block, name, 'u32').data),
  name: 'id',
  holdsNumbers: false,
  column: ({ name }) => ({ name, kind: 'id' }),
  inputSource: ({ owner }) => ({ kind: 'id', table: owner }),
  takesStored: ({ direct }, { kind, size = Infinity }) =>
    kind === 'id' && direct?.cell === 'id' && size <= direct.below,
};
