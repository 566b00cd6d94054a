import type { Pooling } from '../graph/operations.js';
import type { EncoderSpec } from './encoders.js';

/** A sequence: fields with the same number of items in each row. */
export interface SequenceLayout {
  readonly name: string;
  /** Group of the config; none if there is no config. */
  readonly group?: string;
  /** Maximum items per row. */
  readonly maxItems: number;
  /** Whether items have weights. */
  readonly isWeighted?: boolean;
  /** In config order. The domain of the items has the name of the first's field with an element per item. */
  readonly fields: readonly SequenceColumn[];
  /** Encoders whose outputs are concatenated; none for items that a graph reads otherwise. */
  readonly encoders: readonly EncoderSpec[];
}

/** Items that are lists of values: pooled to one embedding per item. */
export interface NestedItems {
  readonly pooling: Pooling;
  /** Field with the number of values of each item. */
  readonly counts: string;
}

/** Returns the field with an element per item. */
export function findItemField(column: SequenceColumn): string {
  return column.kind === 'id' && column.nested !== undefined ? column.nested.counts : column.field;
}

/** A field of a sequence: a bag of the batch. */
export type SequenceColumn = {
  readonly field: string;
  readonly width: number;
  /** Field of the candidate that the items are compared with. */
  readonly target?: string | undefined;
} & (
  | {
      readonly kind: 'id';
      readonly table: string;
      /** For items with several values, which the field has. */
      readonly nested?: NestedItems | undefined;
    }
  /** Numbers, which are the weights of the bag; encoders read ages as such, not as a field of the items. */
  | { readonly kind: 'number'; readonly areAges?: true }
);
