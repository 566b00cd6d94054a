import type { OperationName, Parameter, Value, ValueOf } from '../../graph/operations.js';
import type { Arena } from './arena.js';
import type { CallList } from './call-list.js';
import type { Places } from './places.js';

/** What a list of calls is for: predictions, or a pass of training, with or without moving running statistics. */
export type Mode = 'train' | 'inspect' | 'predict';

/** What an operation is lowered with. */
export interface Lowering {
  readonly mode: Mode;
  readonly places: Places;
  readonly arena: Arena;
  readonly list: CallList;
  /** Values that the list computes: predictions do without some. */
  readonly computed: ReadonlySet<Value>;
  /** Biases whose gradient stays 0. */
  readonly cancelled: ReadonlySet<Parameter>;
  /** Address of a parameter's gradient. */
  gradientAt(address: number): number;
  /** Whether a value's gradient was written before: then more of it is added. Marks it as written. */
  accumulate(value: Value): 0 | 1;
  /** Address of the dropout key of a layer, written before each step. */
  dropoutKey(name: string): number;
  /** Address of the word that becomes 1 where a loss, a gradient or a running statistic is not finite. */
  readonly refused: number;
}

/** How an operation runs forwards and backwards; backwards it adds to its operands' gradients. */
export interface Lowered<Name extends OperationName> {
  /** Whether a value of the operation takes its columns whole: for sums over the batch. */
  isByColumns?(value: ValueOf<Name>, mode: Mode): boolean;
  forward(value: ValueOf<Name>, lowering: Lowering): void;
  backward(value: ValueOf<Name>, lowering: Lowering): void;
}
