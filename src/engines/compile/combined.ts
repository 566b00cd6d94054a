import type { CombinedOperation, Value, ValueOf, WeightRows } from '../../graph/operations.js';
import { shift, roundUpTo8, type Buffers, type Ref } from './buffers.js';
import type { CallList } from './call-list.js';
import type { Matrix } from './matrix.js';

// Matrices whose rows are sums of rows of a weight (see graph/combine-linears.ts). They are computed before each
// forward pass, and their gradients are added to those of the weight after each backward pass.

/** Floats of a row of a panel. */
const PANEL = 8;

/** A matrix whose rows are sums of rows of `weight`; its gradient is in memory of its own. */
export interface CombinedMatrix extends Matrix {
  readonly gradient: Ref;
  readonly weight: Matrix;
  readonly parts: readonly WeightRows[];
}

/** Matrices of a layer. */
export interface CombinedMatrices {
  readonly matrix: CombinedMatrix;
  /** S of a scaled layer. */
  readonly scaled: CombinedMatrix | undefined;
}

/** Returns whether a value is a layer with matrices of its own. */
export function isCombined(value: Value): value is Extract<Value, { op: CombinedOperation }> {
  return value.op === 'combinedLinear' || value.op === 'scaledLinear';
}

/** Creates the buffers of a layer's matrices. */
export function placeCombined(
  value: ValueOf<'combinedLinear'> | ValueOf<'scaledLinear'>,
  weight: Matrix,
  buffers: Buffers,
): CombinedMatrices {
  const place = (name: string, parts: readonly WeightRows[]): CombinedMatrix => {
    const inputs = parts.reduce((sum, { count }) => sum + count, 0);
    const { panels } = weight;
    const outputs = PANEL * panels;
    return {
      at: buffers.take(name, 'scratch', inputs, outputs),
      transposed: buffers.take(`transposed ${name}`, 'scratch', roundUpTo8(inputs), outputs),
      gradient: buffers.take(`d ${name}`, 'scratch', inputs, outputs),
      inputs,
      panels,
      weight,
      parts,
    };
  };
  return {
    matrix: place(`matrix ${value.id}`, value.matrix),
    scaled: value.op === 'scaledLinear' ? place(`scaled matrix ${value.id}`, value.scaledMatrix) : undefined,
  };
}

/** Returns a part of a matrix and the rows of the weight that it is computed from, panel by panel. */
function* partsOf({ parts, inputs, weight, panels }: CombinedMatrix) {
  let row = 0;
  for (const { count, terms } of parts) {
    const own = { offset: row * PANEL, ld: inputs * PANEL };
    const from = terms.map(({ begin, factor }) => ({ offset: begin * PANEL, ld: weight.inputs * PANEL, factor }));
    yield { own, from, shared: { rows: panels, width: count * PANEL, offset: 0 } };
    row += count;
  }
}

/** Computes matrices from their weights, and their transposes if a backward pass follows. */
export function lowerCombinations(matrices: readonly CombinedMatrix[], isTransposed: boolean, list: CallList): void {
  if (matrices.length === 0) return;
  for (const matrix of matrices)
    for (const { own, from, shared } of partsOf(matrix)) {
      const y = { y: shift(matrix.at, own.offset), ldy: own.ld };
      if (from.length === 0) list.emit('clear', { ...y, rows: shared.rows, columns: shared.width });
      for (const [i, { offset, ld, factor }] of from.entries()) {
        const x = { x: shift(matrix.weight.at, offset), ldx: ld };
        list.emit('affine', { ...x, ...y, ...shared, factor, accumulate: Math.min(i, 1) });
      }
    }
  list.separate();
  if (!isTransposed) return;
  for (const { at: p, transposed: t, inputs: k, panels } of matrices) list.emit('transposePanels', { p, t, k, panels });
}

/** Adds the gradients of matrices to the gradients of their weights. */
export function lowerCombinedGradients(
  matrices: readonly CombinedMatrix[],
  weightGradient: (weights: Ref) => Ref,
  list: CallList,
): void {
  if (matrices.length === 0) return;
  list.separate();
  const written = new Set<string>();
  for (const matrix of matrices)
    for (const { own, from, shared } of partsOf(matrix))
      for (const { offset, ld, factor } of from) {
        const at = shift(matrix.weight.at, offset);
        const name = `${at.buffer.name} ${at.offset}`;
        const x = { x: shift(matrix.gradient, own.offset), ldx: own.ld };
        const y = { y: weightGradient(at), ldy: ld };
        list.emit('affine', { ...x, ...y, ...shared, factor, accumulate: Number(written.has(name)) });
        written.add(name);
      }
  list.separate();
}
