import type { HostTensor } from '../../core/tensor.js';
import type { ItemSource, OperationName, Parameter, Value, ValueOf } from '../../graph/operations.js';
import type { ItemRows } from './items.js';
import type { OnnxGraph } from './onnx-graph.js';

/** Context of an operation. */
export interface Emission {
  readonly onnx: OnnxGraph;
  /** Emits the columns `begin` to `end` of features, which have no bags. */
  features(begin: number, end: number): string;
  /** Emits the embeddings of the items of a field, or their factors. */
  items(source: ItemSource): string;
  /** Returns the rows of the items of a domain. */
  itemRows(field: string): ItemRows;
  weights(parameter: Parameter): HostTensor;
  /** Returns the name of a value, and emits it on first use. */
  of(value: Value): string;
  /** Returns whether a value has a single consumer, so that it can be fused into it. */
  isReadOnce(value: Value): boolean;
}

/** Emits an operation in evaluation mode. @returns the name of its output */
export type Emit<Name extends OperationName> = (value: ValueOf<Name>, emission: Emission) => string;
