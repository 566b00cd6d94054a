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
  /** In config order. The domain of the items has the name of the first. */
  readonly fields: readonly SequenceColumn[];
  /** Encoders whose outputs are concatenated; none for items that a graph reads otherwise. */
  readonly encoders: readonly EncoderSpec[];
}

/** A field of a sequence: a bag of the batch. */
export type SequenceColumn = {
  readonly field: string;
  readonly width: number;
  /** Field of the candidate that the items are compared with. */
  readonly target?: string | undefined;
} & (
  | { readonly kind: 'id'; readonly table: string }
  /** Numbers, which are the weights of the bag; ages are read by encoders as such, and are no field of the items. */
  | { readonly kind: 'number'; readonly areAges?: true }
);
