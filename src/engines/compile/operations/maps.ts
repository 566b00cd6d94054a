import type { ValueOf } from '../../../graph/operations.js';
import { assignCodes, SCALAR_FUNCTIONS } from '../../../graph/scalar-functions.js';
import type { Ref, View } from '../buffers.js';
import type { Lowered, Lowering } from '../lowering.js';

const CODES = assignCodes(SCALAR_FUNCTIONS);

/** Small operations: elementwise functions, and sums over rows or the batch. */
export const MAPS: {
  readonly [
    Name in
      | 'affine'
      | 'map'
      | 'productLogit'
      | 'crossEntropy'
      | 'reciprocal'
      | 'clip'
      | 'batchSum'
      | 'stopGradient'
      | 'layerNorm'
  ]: Lowered<Name>;
} = {
  affine: {
    forward(value, { list, view }) {
      const { x, factor, offset, width } = value;
      list.emit('affine', { x: view(x), y: view(value), width, factor, offset, accumulate: 0 });
    },
    backward(value, { list, gradient, accumulate }) {
      const { x, factor, width } = value;
      list.emit('affine', {
        x: gradient(value),
        y: gradient(x),
        width,
        factor,
        offset: 0,
        accumulate: accumulate(x),
      });
    },
  },

  map: {
    forward(value, { list, view }) {
      list.emit('mapNumbers', { kind: CODES[value.of], x: view(value.x), y: view(value), width: value.width });
    },
    backward(value, { list, view, gradient, accumulate }) {
      list.emit('mapNumbersGradient', {
        kind: CODES[value.of],
        x: view(value.x),
        dy: gradient(value),
        dx: gradient(value.x),
        width: value.width,
        accumulate: accumulate(value.x),
      });
    },
  },

  productLogit: {
    forward(value, { list, view }) {
      list.emit('productLogit', { a: view(value.a), c: view(value.b), y: view(value), width: value.width });
    },
    backward(value, { list, view, gradient, accumulate }) {
      for (const [own, other] of [
        [value.a, value.b],
        [value.b, value.a],
      ] as const) {
        list.emit('productLogitGradient', {
          a: view(own),
          c: view(other),
          dy: gradient(value),
          da: gradient(own),
          width: value.width,
          accumulate: accumulate(own),
        });
      }
    },
  },

  crossEntropy: {
    forward(value, { list, view }) {
      list.emit('crossEntropy', {
        x: view(value.logit),
        t: view(value.label),
        y: view(value),
        width: value.width,
      });
    },
    backward(value, { list, view, gradient, accumulate }) {
      list.emit('crossEntropyGradient', {
        x: view(value.logit),
        t: view(value.label),
        dy: gradient(value),
        dx: gradient(value.logit),
        width: value.width,
        accumulate: accumulate(value.logit),
      });
    },
  },

  reciprocal: {
    forward(value, { list, view }) {
      list.emit('reciprocal', { x: view(value.x), y: view(value), width: value.width });
    },
    backward(value, { list, view, gradient, accumulate }) {
      list.emit('reciprocalGradient', {
        y: view(value),
        dy: gradient(value),
        dx: gradient(value.x),
        width: value.width,
        accumulate: accumulate(value.x),
      });
    },
  },

  clip: {
    forward(value, { list, view }) {
      const { width, low, high } = value;
      list.emit('clip', { x: view(value.x), y: view(value), width, low, high });
    },
    backward(value, { list, view, gradient, accumulate }) {
      const { x, width, low, high } = value;
      list.emit('clipGradient', {
        x: view(x),
        dy: gradient(value),
        dx: gradient(x),
        width,
        low,
        high,
        accumulate: accumulate(x),
      });
    },
  },

  // The gradient of each row is the sum of all rows' gradients.
  batchSum: {
    forward(value, lowering) {
      sumBatch(value, lowering.view(value.x), lowering.view(value), 0, lowering);
    },
    backward(value, lowering) {
      const { gradient, accumulate } = lowering;
      sumBatch(value, gradient(value), gradient(value.x), accumulate(value.x), lowering);
    },
  },

  stopGradient: {
    forward(value, { list, view }) {
      list.emit('copyColumns', { x: view(value.x), y: view(value), width: value.width, accumulate: 0 });
    },
    backward: () => undefined,
  },

  layerNorm: {
    forward(value, lowering) {
      const { places, list, view } = lowering;
      const { width, epsilon } = value;
      const [gain, shift] = [places.vector(value.gain), places.vector(value.shift)];
      list.emit('layerNorm', {
        x: view(value.x),
        y: view(value),
        ...normalized(value, lowering),
        gain,
        shift,
        width,
        epsilon,
      });
    },
    backward(value, lowering) {
      const { places, list, gradient, weightGradient, accumulate } = lowering;
      const [gain, shift] = [places.vector(value.gain), places.vector(value.shift)];
      const dy = gradient(value);
      const { z, inverses } = normalized(value, lowering);
      list.emit('layerNormGradient', {
        z,
        dy,
        gain,
        inverses,
        dx: gradient(value.x),
        width: value.width,
        accumulate: accumulate(value.x),
      });
      const { columns, ld } = dy;
      list.emit('columnProducts', { a: z, c: dy, ld, g: weightGradient(gain), columns });
      list.emit('columnSums', { d: dy, g: weightGradient(shift), columns, accumulate: 0 });
    },
  },
};

/** The normalized input of a layer norm, and 1/√(variance + ε) per row. */
function normalized(
  { id, width, rows }: ValueOf<'layerNorm'>,
  { places, buffers }: Lowering,
): { readonly z: View; readonly inverses: Ref } {
  return {
    z: places.columns(`normalized ${id}`, width, rows).value,
    inverses: buffers.take(`inverses ${id}`, 'scratch', rows),
  };
}

/** Emits y (+)= the sum of x over the rows of all processes, in every row. */
function sumBatch(
  { id, width }: ValueOf<'batchSum'>,
  x: View,
  y: View,
  accumulate: number,
  { buffers, list, part, inTurns }: Lowering,
): void {
  const { columns } = x;
  const sums = buffers.take(`sums ${id}`, 'scratch', 2, columns);
  if (part === undefined) {
    list.emit('batchSum', { x, y, sums, columns, accumulate });
    return;
  }
  inTurns([
    { emit: () => list.emit('batchSums', { x, sums, columns }), sums: { at: sums, count: width } },
    { emit: () => list.emit('batchSumTogether', { y, sums, columns, accumulate }) },
  ]);
}
