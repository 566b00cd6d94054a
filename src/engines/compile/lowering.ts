import type { OperationName, Parameter, Value, ValueOf } from '../../graph/operations.js';
import type { Domain } from '../../graph/domain.js';
import type { Buffers, Ref, View } from './buffers.js';
import type { CallList, Gathered, Span } from './call-list.js';
import type { OperationPlaces, Place } from './places.js';
import type { Products } from './products.js';

/** What a list of calls is for: predictions, or a pass of training that updates running statistics or does not. */
export type Mode = 'train' | 'inspect' | 'predict';

/** Calls of a phase by columns, and what is all-reduced or all-gathered after them, before the next turn. */
export interface Turn {
  emit?(): void;
  readonly sums?: Span;
  readonly columns?: readonly Gathered[];
}

/** Items that an operation reads. */
export interface SharedItems {
  readonly x: View;
  readonly isShared: 0 | 1;
}

/** What an operation is lowered with. */
export interface Lowering {
  readonly mode: Mode;
  readonly places: OperationPlaces;
  /** The domain of the batch. */
  readonly batch: Domain;
  readonly buffers: Buffers;
  readonly list: CallList;
  /** The kernels of matrix products. */
  readonly products: Products;
  /** Values that the list computes: predictions require only some. */
  readonly computed: ReadonlySet<Value>;
  /** The matrix whose gradient is all-reduced while others are computed, if there is one. */
  readonly early: Ref | undefined;
  /** Biases whose gradient stays 0. */
  readonly canceled: ReadonlySet<Parameter>;
  /** Returns the code of the activation that the kernel of a value applies to its results; 0 if there is none. */
  fused(value: Value): number;
  /** Returns the elements of a value. */
  view(value: Value): View;
  /** Returns the items of a value; `isShared` is 1 if all rows have the items of one row. */
  itemsOf(value: Value): SharedItems;
  /** Returns the gradient of a value. */
  gradient(value: Value): View;
  /** Returns where the items or blocks of each row of the batch begin: `rows` + 1 words. */
  offsets(domain: Domain): Ref;
  /** Returns the gradient of weights. */
  weightGradient(weights: Ref): Ref;
  /** Returns 1 if a value's gradient has been written, so that more is added to it, else 0. Marks it as written. */
  accumulate(value: Value): 0 | 1;
  /** Returns the dropout key of a layer, which the host writes before each step. */
  dropoutKey(name: string): Ref;
  /** Returns a double: the rows of a view in all processes; undefined if each process normalizes by its own rows. */
  allRowsOf(view: View): Ref | undefined;
  /** Adds turns of a value. All values of a phase take turns together. */
  inTurns(turns: readonly Turn[]): void;
  /**
   * Two doubles: the rows of the batch in all processes, and the first row of this process; undefined if this process
   * has all rows.
   */
  readonly part: Ref | undefined;
  /** Maximum number of rows of all processes. */
  readonly allMaxRows: number;
  /** Returns a column with the rows of all processes, valid once it has been all-gathered. */
  whole(value: Value): Place;
  /** Returns whether this is the first call with `what` in a pass. */
  isFirst(what: string): boolean;
  /** A word that becomes 1 if a loss, a gradient or a running statistic is not finite. */
  readonly refused: Ref;
}

/** Forward and backward pass of an operation; the backward pass adds to the gradients of its operands. */
export interface Lowered<Name extends OperationName> {
  forward(value: ValueOf<Name>, lowering: Lowering): void;
  backward(value: ValueOf<Name>, lowering: Lowering): void;
}
