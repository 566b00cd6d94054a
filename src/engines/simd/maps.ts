import type { FunctionName, ValueOf } from '../../graph/operations.js';
import { ROWS } from './call-list.js';
import type { Lowered, Lowering } from './lowering.js';

/** The numbers of functions in maps.ts of the kernels. */
const CODES: Readonly<Record<FunctionName, number>> = { exp: 0, expm1: 1, log: 2, log1p: 3, softplus: 4, sign: 5 };

/** The small operations: maps of each number, and sums by row or by batch. */
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
    forward(value, { places, list }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('affine', {
        x: x.at,
        ldx: x.ld,
        y: y.at,
        ldy: y.ld,
        rows: ROWS,
        width: value.width,
        factor: value.factor,
        offset: value.offset,
        accumulate: 0,
      });
    },
    backward(value, { places, list, accumulate }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('affine', {
        x: y.gradient,
        ldx: y.ld,
        y: x.gradient,
        ldy: x.ld,
        rows: ROWS,
        width: value.width,
        factor: value.factor,
        offset: 0,
        accumulate: accumulate(value.x),
      });
    },
  },

  map: {
    forward(value, { places, list }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('mapNumbers', {
        kind: CODES[value.of],
        x: x.at,
        ldx: x.ld,
        y: y.at,
        ldy: y.ld,
        rows: ROWS,
        width: value.width,
      });
    },
    backward(value, { places, list, accumulate }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('mapNumbersGradient', {
        kind: CODES[value.of],
        x: x.at,
        ldx: x.ld,
        dy: y.gradient,
        ldy: y.ld,
        dx: x.gradient,
        rows: ROWS,
        width: value.width,
        accumulate: accumulate(value.x),
      });
    },
  },

  productLogit: {
    forward(value, { places, list }) {
      const [a, c, y] = [places.of(value.a), places.of(value.b), places.of(value)];
      list.emit('productLogit', {
        a: a.at,
        lda: a.ld,
        c: c.at,
        ldc: c.ld,
        y: y.at,
        ldy: y.ld,
        rows: ROWS,
        width: value.width,
      });
    },
    backward(value, { places, list, accumulate }) {
      const y = places.of(value);
      for (const [own, other] of [
        [value.a, value.b],
        [value.b, value.a],
      ] as const) {
        const [a, c] = [places.of(own), places.of(other)];
        list.emit('productLogitGradient', {
          a: a.at,
          lda: a.ld,
          c: c.at,
          ldc: c.ld,
          dy: y.gradient,
          ldy: y.ld,
          da: a.gradient,
          rows: ROWS,
          width: value.width,
          accumulate: accumulate(own),
        });
      }
    },
  },

  crossEntropy: {
    forward(value, { places, list }) {
      const [x, t, y] = [places.of(value.logit), places.of(value.label), places.of(value)];
      list.emit('crossEntropy', {
        x: x.at,
        ldx: x.ld,
        t: t.at,
        ldt: t.ld,
        y: y.at,
        ldy: y.ld,
        rows: ROWS,
        width: value.width,
      });
    },
    backward(value, { places, list, accumulate }) {
      const [x, t, y] = [places.of(value.logit), places.of(value.label), places.of(value)];
      list.emit('crossEntropyGradient', {
        x: x.at,
        ldx: x.ld,
        t: t.at,
        ldt: t.ld,
        dy: y.gradient,
        ldy: y.ld,
        dx: x.gradient,
        rows: ROWS,
        width: value.width,
        accumulate: accumulate(value.logit),
      });
    },
  },

  reciprocal: {
    forward(value, { places, list }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('reciprocal', { x: x.at, ldx: x.ld, y: y.at, ldy: y.ld, rows: ROWS, width: value.width });
    },
    backward(value, { places, list, accumulate }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('reciprocalGradient', {
        y: y.at,
        ldy: y.ld,
        dy: y.gradient,
        dx: x.gradient,
        ldx: x.ld,
        rows: ROWS,
        width: value.width,
        accumulate: accumulate(value.x),
      });
    },
  },

  clip: {
    forward(value, { places, list }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('clip', {
        x: x.at,
        ldx: x.ld,
        y: y.at,
        ldy: y.ld,
        rows: ROWS,
        width: value.width,
        low: value.low,
        high: value.high,
      });
    },
    backward(value, { places, list, accumulate }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('clipGradient', {
        x: x.at,
        ldx: x.ld,
        dy: y.gradient,
        ldy: y.ld,
        dx: x.gradient,
        rows: ROWS,
        width: value.width,
        low: value.low,
        high: value.high,
        accumulate: accumulate(value.x),
      });
    },
  },

  // The gradient of each row is the sum of all rows' gradients.
  batchSum: {
    isByColumns: () => true,
    forward(value, lowering) {
      const [x, y] = [lowering.places.of(value.x), lowering.places.of(value)];
      sumBatch(value, { from: x.at, ldx: x.ld, to: y.at, ldy: y.ld, columns: x.columns, accumulate: 0 }, lowering);
    },
    backward(value, lowering) {
      const [x, y] = [lowering.places.of(value.x), lowering.places.of(value)];
      sumBatch(
        value,
        {
          from: y.gradient,
          ldx: y.ld,
          to: x.gradient,
          ldy: x.ld,
          columns: x.columns,
          accumulate: lowering.accumulate(value.x),
        },
        lowering,
      );
    },
  },

  stopGradient: {
    forward(value, { places, list }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('copyColumns', {
        x: x.at,
        ldx: x.ld,
        y: y.at,
        ldy: y.ld,
        rows: ROWS,
        width: value.width,
        accumulate: 0,
      });
    },
    backward: () => undefined,
  },

  layerNorm: {
    forward(value, { places, arena, list }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      const z = places.columns(`normalized ${value.id}`, value.width);
      const inverses = arena.take(`inverses ${value.id}`, places.maxRows);
      list.emit('layerNorm', {
        x: x.at,
        ldx: x.ld,
        z: z.at,
        y: y.at,
        ldy: y.ld,
        gain: places.vector(value.gain),
        shift: places.vector(value.shift),
        inverses,
        rows: ROWS,
        width: value.width,
        epsilon: value.epsilon,
      });
    },
    backward(value, { places, arena, list, gradientAt, accumulate }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      const z = places.columns(`normalized ${value.id}`, value.width);
      const [gain, shift] = [places.vector(value.gain), places.vector(value.shift)];
      const inverses = arena.take(`inverses ${value.id}`, places.maxRows);
      list.emit('layerNormGradient', {
        z: z.at,
        dy: y.gradient,
        ldy: y.ld,
        gain,
        inverses,
        dx: x.gradient,
        ldx: x.ld,
        rows: ROWS,
        width: value.width,
        accumulate: accumulate(value.x),
      });
      list.emit('columnProducts', {
        a: z.at,
        c: y.gradient,
        ld: y.ld,
        g: gradientAt(gain),
        rows: ROWS,
        columns: y.columns,
      });
      list.emit('columnSums', {
        d: y.gradient,
        ldd: y.ld,
        g: gradientAt(shift),
        rows: ROWS,
        columns: y.columns,
        accumulate: 0,
      });
    },
  },
};

/** Sums over the rows of all processes. */
function sumBatch(
  { id, width }: ValueOf<'batchSum'>,
  {
    from,
    ldx,
    to,
    ldy,
    columns,
    accumulate,
  }: Readonly<Record<'from' | 'ldx' | 'to' | 'ldy' | 'columns' | 'accumulate', number>>,
  { arena, list, part, inTurns }: Lowering,
): void {
  const sums = arena.take(`sums ${id}`, 2 * columns);
  if (part === 0) {
    list.emit('batchSum', { x: from, ldx, y: to, ldy, sums, rows: ROWS, columns, accumulate });
    return;
  }
  inTurns([
    {
      emit: () => list.emit('batchSums', { x: from, ldx, sums, rows: ROWS, columns }),
      sums: { at: sums, count: width },
    },
    { emit: () => list.emit('batchSumTogether', { y: to, ldy, sums, rows: ROWS, columns, accumulate }) },
  ]);
}
