import type { ValueOf } from '../../../graph/operations.js';
import { createView, type View } from '../buffers.js';
import type { Lowered, Lowering } from '../lowering.js';
import { sumMatrixGradient } from './matrix-products.js';
import { itemOffsets } from './segments.js';

/** Numbers that the gradient reads of each item and column: r, 1 - z, n and s_n. */
const STORED = 4;

/** A gated recurrent unit over the items of each row. */
export const SEGMENT_GRU: Lowered<'segmentGru'> = {
  forward(value, lowering) {
    const { places, list, view, mode } = lowering;
    list.emit('segmentGru', {
      ...shapeOf(value, lowering),
      x: view(value.x),
      weights: places.matrix(value.weight).at,
      bias: places.vector(value.bias),
      before: statesBefore(value, lowering),
      y: view(value),
      gates: mode === 'predict' ? 0 : gatesOf(value, lowering),
    });
  },
  backward(value, lowering) {
    const { places, list, gradient, weightGradient, accumulate, buffers } = lowering;
    const { id, rows, width, attention } = value;
    const matrix = places.matrix(value.weight);
    const before = statesBefore(value, lowering);
    const dgates = createView(
      buffers.take(`gradients of gates ${id}`, 'scratch', rows, 3 * width),
      3 * width,
      3 * width,
    );
    list.awaitStart();
    list.emit('segmentGruGradient', {
      ...shapeOf(value, lowering),
      transposed: matrix.transposed,
      before,
      gates: gatesOf(value, lowering),
      dy: gradient(value),
      dgates,
      dx: gradient(value.x),
      dattention: attention === undefined ? 0 : gradient(attention),
      accumulate: accumulate(value.x) + (attention === undefined ? 0 : 2 * accumulate(attention)),
    });
    sumMatrixGradient(lowering, before, matrix, dgates);
    list.emit('columnSums', {
      d: dgates,
      g: weightGradient(places.vector(value.bias)),
      columns: dgates.columns,
      accumulate: 0,
    });
  },
};

/** Returns what both kernels read. */
function shapeOf(value: ValueOf<'segmentGru'>, lowering: Lowering) {
  const attention = value.attention === undefined ? undefined : lowering.view(value.attention);
  return {
    attention: attention ?? (0 as const),
    ldattention: attention?.ld ?? 0,
    offsets: itemOffsets(value, lowering),
    rows: lowering.batch,
    width: value.width,
  };
}

/** Returns the state before each item. */
function statesBefore({ id, rows, width }: ValueOf<'segmentGru'>, { buffers }: Lowering): View {
  return createView(buffers.take(`states before ${id}`, 'scratch', rows, width), width, width);
}

const gatesOf = ({ id, rows, width }: ValueOf<'segmentGru'>, { buffers }: Lowering) =>
  buffers.take(`gates ${id}`, 'scratch', rows, STORED * width);
