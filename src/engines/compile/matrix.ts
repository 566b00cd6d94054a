import type { Ref } from './buffers.js';

/** A matrix in panels of 8 columns, as gemm.ts reads it, or some columns of one. */
export interface Matrix {
  readonly at: Ref;
  /** Its transpose, which the forward pass writes. */
  readonly transposed: Ref;
  readonly inputs: number;
  readonly panels: number;
  /** Its gradient, unless it is weights of the optimizer. */
  readonly gradient?: Ref;
}
