import type { CombinedOperation, ValueOf } from '../../../graph/operations.js';
import { shift, type Ref } from '../buffers.js';
import type { Lowered, Lowering } from '../lowering.js';
import { multiplyMatrix, multiplyMatrixGradient } from './matrix-products.js';
import { NO_WEIGHTS, itemOffsets } from './segments.js';

/** Workers that a scaled layer has memory for. */
const MAX_WORKERS = 64;
/** Panels of a tile that each of them has memory for. */
const WORK_PANELS = 4;
/** Parts of a batch whose gradients are summed before the gradients of all parts. */
const PARTS = 64;

/** Layers whose matrices are combined from rows of a weight. */
export const COMBINED: { readonly [Name in CombinedOperation]: Lowered<Name> } = {
  combinedLinear: {
    forward(value, lowering) {
      const { places, view, list, fused } = lowering;
      const { x, base, bias } = value;
      const { matrix } = places.combinedOf(value);
      const y = view(value);
      if (base !== undefined) {
        const shared = { offsets: itemOffsets(value, lowering), rows: lowering.batch, columns: y.columns, isMean: 0 };
        list.emit('expand', { x: view(base), y, ...NO_WEIGHTS, ...shared, accumulate: 0 });
      }
      const activation = fused(value);
      const activated = { activation, activatedPanels: activation === 0 ? 0 : matrix.panels };
      const added = bias === undefined ? 0 : places.vector(bias);
      multiplyMatrix(lowering, view(x), matrix, added, y, activated, base === undefined ? 0 : 1);
    },
    backward(value, lowering) {
      const { places, gradient, accumulate } = lowering;
      const { matrix } = places.combinedOf(value);
      addToBase(value, lowering);
      multiplyMatrixGradient(lowering, places.of(value.x), matrix, gradient(value), accumulate(value.x));
    },
  },

  scaledLinear: {
    forward(value, lowering) {
      const { places, view, list } = lowering;
      const { base, bias } = value;
      const { matrix, scaled } = places.combinedOf(value);
      const added =
        base === undefined
          ? { base: bias === undefined ? (0 as const) : places.vector(bias), ldbase: 0 }
          : { base: view(base) };
      list.emit('scaledProduct', {
        ...shapeOf(value, lowering),
        ...added,
        ...lowering.itemsOf(value.x),
        m: matrix.at,
        s: scaled!.at,
        y: view(value),
        panels: matrix.panels,
        work: workOf(matrix.inputs, matrix.panels, lowering),
      });
    },
    backward(value, lowering) {
      const { places, view, gradient, list, accumulate } = lowering;
      const { matrix, scaled } = places.combinedOf(value);
      const d = gradient(value);
      const shape = shapeOf(value, lowering);
      const { panels } = matrix;
      const outputs = panels * 8;
      const [ofMatrix, ofScaled] = [matrix.inputs * outputs, scaled!.inputs * outputs];
      const sums = lowering.buffers.take(`gradients of parts ${value.id}`, 'scratch', PARTS, ofMatrix + ofScaled);
      addToBase(value, lowering);
      list.awaitStart();
      list.emit('scaledProductInputs', {
        ...shape,
        d,
        m: matrix.transposed,
        s: scaled!.transposed,
        dx: gradient(value.x),
        outputs,
        accumulate: accumulate(value.x),
        work: workOf(outputs, Math.ceil(matrix.inputs / 8), lowering),
      });
      list.emit('scaledProductGradient', {
        ...shape,
        x: view(value.x),
        d,
        s: scaled!.at,
        sums,
        dscale: gradient(value.scale),
        panels,
        parts: PARTS,
        accumulate: accumulate(value.scale),
      });
      const parts = { stride: ofMatrix + ofScaled, rows: lowering.batch, parts: PARTS };
      list.emit('partSums', { sums, g: matrix.gradient, columns: ofMatrix, ...parts });
      list.emit('partSums', { sums: shift(sums, ofMatrix), g: scaled!.gradient, columns: ofScaled, ...parts });
    },
  },
};

/** Returns what all kernels of a scaled layer read. */
function shapeOf(value: ValueOf<'scaledLinear'>, lowering: Lowering) {
  const { matrix, scaled } = lowering.places.combinedOf(value);
  return {
    scale: lowering.view(value.scale),
    offsets: itemOffsets(value, lowering),
    rows: lowering.batch,
    k: matrix.inputs,
    scaled: scaled!.inputs,
  };
}

/** Returns memory in which each worker arranges two matrices, and computes a tile of another. */
const workOf = (rows: number, panels: number, { buffers }: Lowering): Ref =>
  buffers.take(
    `work of ${rows} rows of ${panels} panels`,
    'scratch',
    MAX_WORKERS,
    rows * 8 * (2 * panels + WORK_PANELS),
  );

/** Emits the gradients of what is added to each item: rows of the batch, and the bias. */
function addToBase(value: ValueOf<'combinedLinear'> | ValueOf<'scaledLinear'>, lowering: Lowering): void {
  const { places, list, gradient, weightGradient, accumulate, canceled } = lowering;
  const { base, bias } = value;
  const d = gradient(value);
  if (bias !== undefined && !canceled.has(bias))
    list.emit('columnSums', { d, g: weightGradient(places.vector(bias)), columns: d.columns, accumulate: 0 });
  if (base === undefined) return;
  const [y, offsets] = [gradient(base), itemOffsets(value, lowering)];
  const shared = { offsets, rows: lowering.batch, columns: y.columns, isMean: 0, accumulate: accumulate(base) };
  list.emit('segmentSum', { ...shared, x: d, y, ...NO_WEIGHTS, isShared: 0 });
}
