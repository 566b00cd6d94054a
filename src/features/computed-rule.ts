import type { BagForm, ListForm } from './list-form.js';
import type { TypedExpression } from './expressions/resolve.js';

/** How a value is computed from the columns of a row and from side tables, as data: for implementations elsewhere. */
export type ComputedRule = Formula | Occurrences;

/** The value of an expression: a number, of which those beyond a 32-bit float are missing, or a text. */
export interface Formula {
  readonly kind: 'formula';
  readonly holds: 'number' | 'text';
  readonly expression: TypedExpression;
  /** Form of the lists that it reads. */
  readonly form: ListForm;
}

/** A number that compares a candidate with the items of a list. */
export interface Occurrences {
  readonly kind: 'occurrences';
  readonly candidate: string;
  readonly history: string;
  readonly form: ListForm;
  /** Whether weights may be negative. */
  readonly negative: BagForm['negative'];
  /** End of the list that has the newest item. */
  readonly newest: 'first' | 'last';
  readonly output: OccurrenceOutput;
}
export type OccurrenceOutput = 'present' | 'count' | 'weight' | 'share' | 'recency';
