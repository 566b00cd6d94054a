import type { Batch } from '../core/batch.js';
import type { HostTensor } from '../core/tensor.js';
import type { Value } from '../graph/operations.js';
import type { TensorProducts } from './diagnosis.js';
import type { Plan, RateFactors, StepResult } from './engine.js';
import type { Store } from './state/store.js';

export interface GradientPart {
  /** Index of the term; 0 if all terms share an area. */
  readonly area: number;
  /** Whether they are the first of a step. */
  readonly isFirst: boolean;
  /** Whether they belong to a diagnosis. */
  readonly isDiagnosed?: boolean;
}

/** Looked-up values of a graph (see `Lookups`), or their gradients, in row-major order. */
export type LookedUp = ReadonlyMap<Value, Float32Array>;

/** Tables, weights and their optimizers, for an engine that runs the graph elsewhere. */
export interface Host {
  readonly store: Store;
  /** Maximum number of rows per lookup, and rows of a training pass. */
  readonly maxRows: number;
  readonly passRows: number;
  /** Number of separate gradient areas for a diagnosis; 0 if none is planned. */
  readonly termAreas: number;
  /** Looks up the rows of a batch from `begin` on; later lookups reuse the memory of the result. */
  lookup(batch: Batch, begin?: number, rows?: number): LookedUp;
  /**
   * Adds the gradients of the last lookup, over distinct rows, and of dense weights to the gradients of the step.
   * @param dense by the name of the parameter
   */
  add(lookedUp: LookedUp, dense: ReadonlyMap<string, Float32Array>, part: GradientPart): void;
  /** Returns the added gradients by table, including zeros. */
  tableGradients(): ReadonlyMap<string, HostTensor>;
  /** Returns the products between the gradients of terms on shared weights. */
  gramian(): Float64Array;
  /** Returns the products between the gradients of terms by tensor, if a diagnosis added them. */
  products(): readonly TensorProducts[];
  /** Copies the weights before an update; the result returns the squared norms of the update by layer. */
  watchUpdates(): () => ReadonlyMap<string, number>;
  /** Sets the weight of each term's gradient, on shared weights and on its own. */
  weigh(shared: readonly number[], own: readonly number[]): void;
  /** Updates all weights by the added gradients; returns false and changes nothing if they are not finite. */
  update(step: number, rates: RateFactors): boolean;
  /** Exchanges weights and their EMA, given the number of steps taken; undefined without an EMA. */
  readonly exchange: ((step: number) => void) | undefined;
  /** Returns the gradient norms of the last update, as in a step's result. */
  norms(): StepResult['norms'];
  dispose(): void;
}

export interface HostFactory {
  create(plan: Plan): Host;
  /** Returns the bytes of a plan's tables that are stored in memory of their own. */
  externalBytes(plan: Plan): number;
  /** Maximum bytes of everything else. */
  readonly maxBytes: number;
}
