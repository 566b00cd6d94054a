import type { Field } from '../../features/feature.js';
import type { ReadColumns } from '../../features/kinds/kind.js';

/** Columns that are computed of the rows that are valid otherwise. */
export interface LateColumns {
  /** Computes the columns of a chunk. Rows for which this is not possible are refused. */
  readonly read: ReadColumns;
  /** Whether a field reads any of them. */
  isReadBy(field: Pick<Field, 'columns'>): boolean;
}
