import { ROWS } from '../call-list.js';
import type { Lowering } from '../lowering.js';
import type { Matrix, Place } from '../places.js';

/** out (+)= x · matrix + bias */
export function multiplyMatrix(
  { list, products }: Lowering,
  x: Place,
  matrix: Matrix,
  bias: number,
  out: Place,
  accumulate = 0,
): void {
  list.emit(products.product, {
    a: x.at,
    lda: x.ld,
    panelsAt: matrix.at,
    bias,
    c: out.at,
    ldc: out.ld,
    rows: ROWS,
    k: matrix.inputs,
    panels: matrix.panels,
    accumulate,
  });
}

/** Gradients of a product: of the matrix, and (unless x is outside the graph) of x. */
export function multiplyMatrixGradient(
  { list, products, gradientAt, early }: Lowering,
  x: Place,
  matrix: Matrix,
  out: Place,
  accumulateX: number,
  accumulateMatrix = 0,
): void {
  const outputs = matrix.panels * 8;
  const g = gradientAt(matrix.at);
  list.awaitStart();
  list.emit(products.gradient, {
    x: x.at,
    ldx: x.ld,
    d: out.gradient,
    ldd: out.ld,
    g,
    rows: ROWS,
    k: matrix.inputs,
    panels: matrix.panels,
    accumulate: accumulateMatrix,
  });
  if (matrix.at === early) list.beginSum({ at: g, count: matrix.inputs * outputs });
  list.emit(products.product, {
    a: out.gradient,
    lda: out.ld,
    panelsAt: matrix.transposed,
    bias: 0,
    c: x.gradient,
    ldc: x.ld,
    rows: ROWS,
    k: outputs,
    panels: Math.ceil(matrix.inputs / 8),
    accumulate: accumulateX,
  });
}
