import type { OperationName, Parameter, Value, ValueOf } from '../../graph/operations.js';
import type { Arena } from './arena.js';
import type { CallList, Numbers, Gathered } from './call-list.js';
import type { Place, Places } from './places.js';
import type { Products } from './products.js';

/** What a list of calls is for: predictions, or a pass of training, with or without moving running statistics. */
export type Mode = 'train' | 'inspect' | 'predict';

/**
 * Some work on columns of the batch, and what of it is added up over all processes, or put together, before the next
 * turn.
 */
export interface Turn {
  emit?(): void;
  readonly sums?: Numbers;
  readonly columns?: readonly Gathered[];
}

/** What an operation is lowered with. */
export interface Lowering {
  readonly mode: Mode;
  readonly places: Places;
  readonly arena: Arena;
  readonly list: CallList;
  /** The kernels of its matrix products. */
  readonly products: Products;
  /** Values that the list computes: predictions do without some. */
  readonly computed: ReadonlySet<Value>;
  /** Where the matrix lies whose gradient is added up over all processes while others are computed, if there is one. */
  readonly early: number | undefined;
  /** Biases whose gradient stays 0. */
  readonly canceled: ReadonlySet<Parameter>;
  /** Address of a parameter's gradient. */
  gradientAt(address: number): number;
  /** Whether a value's gradient was written before: then more of it is added. Marks it as written. */
  accumulate(value: Value): 0 | 1;
  /** Address of the dropout key of a layer, written before each step. */
  dropoutKey(name: string): number;
  /**
   * Where the rows of the batch stand that all processes have, a double; undefined where this one normalizes by its
   * own.
   */
  readonly allRows: number | undefined;
  /** Turns of several values of a phase, which meet between them. */
  inTurns(turns: readonly Turn[]): void;
  /**
   * Where it stands which rows of those that pass this process has, two doubles: how many all have, and the first of
   * its own; 0 where it has all.
   */
  readonly part: number;
  /** The most rows that all processes have together. */
  readonly allMaxRows: number;
  /** Where a column of one float a row has the rows of all processes, once they have been put together. */
  whole(value: Value): Place;
  /** Whether a pass comes to something for the first time that several of its values need. */
  isFirst(what: string): boolean;
  /** Address of the word that becomes 1 where a loss, a gradient or a running statistic is not finite. */
  readonly refused: number;
}

/** How an operation runs forward and backward; backward, it adds to its operands' gradients. */
export interface Lowered<Name extends OperationName> {
  /** Whether a value of the operation takes its columns whole: for sums over the batch. */
  isByColumns?(value: ValueOf<Name>, mode: Mode): boolean;
  forward(value: ValueOf<Name>, lowering: Lowering): void;
  backward(value: ValueOf<Name>, lowering: Lowering): void;
}
