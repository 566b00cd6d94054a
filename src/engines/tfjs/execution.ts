import type { Tensor } from '@tensorflow/tfjs';
import type { Domain } from '../../graph/domain.js';
import type { Parameter, RunningStatistics, Value } from '../../graph/operations.js';
import type { TensorFlow } from './backend.js';
import type { Segments } from './segments.js';

/** One pass over the graph. */
export interface Execution {
  readonly tf: TensorFlow;
  readonly isTraining: boolean;
  /** Returns the result of an earlier operation. */
  get(value: Value): Tensor;
  label(column: string): Tensor;
  /** Returns the operations between the rows of the batch and the items of a domain. */
  segments(domain: Domain): Segments;
  /** Returns a vector as a row, `[1, width]`. */
  parameter(parameter: Parameter): Tensor;
  /** Returns whether the gradient of a parameter is computed. */
  isTrained(parameter: Parameter): boolean;
  /** Returns a scalar that is cached across passes, so that it is uploaded once. */
  constant(value: number): Tensor;
  /** Receives the statistics of some rows: mean and biased variance, `[1, width]`. */
  observe(running: RunningStatistics, mean: Tensor, variance: Tensor, rows: number): void;
  /** Returns inverted-dropout factors, `[rows, width]`. */
  dropoutMask(name: string, rate: number, rows: number, width: number): Tensor;
}
