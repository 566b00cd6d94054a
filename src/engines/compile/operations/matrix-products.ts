import type { Ref, View } from '../buffers.js';
import type { Lowering } from '../lowering.js';
import type { Matrix } from '../matrix.js';
import type { PanelActivation, Place } from '../places.js';

const NO_ACTIVATION: PanelActivation = { activation: 0, activatedPanels: 0 };

/**
 * Emits out (+)= x · matrix + bias, with an activation.
 * @param bias 0 for none
 */
export function multiplyMatrix(
  { list, products }: Lowering,
  x: View,
  matrix: Matrix,
  bias: Ref | 0,
  out: View,
  activated = NO_ACTIVATION,
  accumulate = 0,
): void {
  const { at: panelsAt, inputs: k, panels } = matrix;
  list.emit(products.product, { a: x, panelsAt, bias, c: out, k, panels, accumulate, ...activated });
}

/** Emits the gradients of a product: of the matrix, and of x. */
export function multiplyMatrixGradient(
  lowering: Lowering,
  { value: x, gradient: dx }: Place,
  matrix: Matrix,
  d: View,
  accumulateX: number,
  accumulateMatrix = 0,
): void {
  const { list, products } = lowering;
  const { inputs, panels } = matrix;
  list.awaitStart();
  sumMatrixGradient(lowering, x, matrix, d, accumulateMatrix);
  list.emit(products.product, {
    a: d,
    panelsAt: matrix.transposed,
    bias: 0,
    c: dx,
    k: panels * 8,
    panels: Math.ceil(inputs / 8),
    accumulate: accumulateX,
    ...NO_ACTIVATION,
  });
}

/** Emits the gradient of a matrix by which x was multiplied. */
export function sumMatrixGradient(
  { list, products, weightGradient, early }: Lowering,
  x: View,
  matrix: Matrix,
  d: View,
  accumulate = 0,
): void {
  const { at, inputs, panels } = matrix;
  const g = matrix.gradient ?? weightGradient(at);
  list.emit(products.gradient, { x, d, g, k: inputs, panels, accumulate });
  if (at === early) list.beginSum({ at: g, count: inputs * panels * 8 });
}
