import type { ItemForm } from '../chunks/column.js';

/** Format of lists in a value: the separators of items and weights, and what items may be. */
export interface ListForm extends ItemForm {
  /**
   * Whether values may or must be JSON lists; `auto` treats bracketed values as JSON. `item` is the text of an item
   * that is a list.
   */
  readonly format: 'auto' | 'separated' | 'json' | 'item';
  readonly items: string;
  /** Undefined if items have no weights. */
  readonly weight: string | undefined;
}

/** Format of a bag, its maximum number of items (largest weights), and whether weights may be negative. */
export interface BagForm extends ListForm {
  readonly maxItems: number | undefined;
  readonly negative: 'taken' | 'refused';
}
