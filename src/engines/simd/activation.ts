import type { Activation } from '../../graph/operations.js';
import { ROWS } from './call-list.js';
import type { Lowered, Lowering } from './lowering.js';
import { normalize, normalizeGradient } from './normalize.js';
import { toFours } from './places.js';

/** The order of the constants in elementwise.ts. */
const CODES: Partial<Record<Activation, number>> = { relu: 0, sigmoid: 1, tanh: 2, 'leaky-relu': 3, gelu: 4, swish: 5 };

/** Activations, forward and backward. */
export const ACTIVATION: Lowered<'activation'> = {
  isByColumns: ({ running }, mode) => running !== undefined && mode !== 'predict',
  forward(value, lowering) {
    const { places, list } = lowering;
    const [x, y] = [places.of(value.x), places.of(value)];
    const code = CODES[value.kind];
    if (code !== undefined)
      list.emit('activate', { kind: code, x: x.at, ldx: x.ld, y: y.at, ldy: y.ld, rows: ROWS, columns: x.columns });
    else if (value.running === undefined)
      list.emit('prelu', {
        x: x.at,
        ldx: x.ld,
        slope: places.vector(value.slope!),
        y: y.at,
        ldy: y.ld,
        rows: ROWS,
        columns: x.columns,
      });
    else {
      const z = places.columns(`normalized ${value.id}`, value.width);
      const { ones, zeros } = constants(lowering, value.width);
      normalize(lowering, x, z, ones, zeros, value.running, () =>
        list.emit('dice', {
          x: x.at,
          ldx: x.ld,
          z: z.at,
          ldz: z.ld,
          slope: places.vector(value.slope!),
          y: y.at,
          ldy: y.ld,
          rows: ROWS,
          columns: x.columns,
        }),
      );
    }
  },
  backward(value, lowering) {
    const { places, arena, list, gradientAt, accumulate } = lowering;
    const [x, y] = [places.of(value.x), places.of(value)];
    const code = CODES[value.kind];
    const isAdded = accumulate(value.x);
    if (code !== undefined) {
      list.emit('activateGradient', {
        kind: code,
        x: x.at,
        ldx: x.ld,
        y: y.at,
        ldy: y.ld,
        dy: y.gradient,
        dx: x.gradient,
        rows: ROWS,
        columns: x.columns,
        accumulate: isAdded,
      });
      return;
    }
    const slope = places.vector(value.slope!);
    if (value.running === undefined) {
      list.emit('preluGradient', {
        x: x.at,
        ldx: x.ld,
        slope,
        dy: y.gradient,
        ldy: y.ld,
        dx: x.gradient,
        rows: ROWS,
        columns: x.columns,
        accumulate: isAdded,
      });
      list.emit('preluSlope', {
        x: x.at,
        ldx: x.ld,
        dy: y.gradient,
        ldy: y.ld,
        g: gradientAt(slope),
        rows: ROWS,
        width: x.width,
      });
      return;
    }
    const z = places.columns(`normalized ${value.id}`, value.width);
    list.emit('diceGradient', {
      x: x.at,
      ldx: x.ld,
      z: z.at,
      ldz: z.ld,
      slope,
      dy: y.gradient,
      ldy: y.ld,
      dx: x.gradient,
      dz: z.gradient,
      rows: ROWS,
      columns: x.columns,
      accumulate: isAdded,
    });
    list.emit('diceSlopes', {
      x: x.at,
      ldx: x.ld,
      z: z.at,
      ldz: z.ld,
      dy: y.gradient,
      ldy: y.ld,
      g: gradientAt(slope),
      rows: ROWS,
      width: x.width,
    });
    // Its gain and shift are constants: their gradients go where nothing reads them.
    const unread = arena.take(`unread ${value.width}`, 2 * toFours(value.width));
    const { ones } = constants(lowering, value.width);
    normalizeGradient(lowering, x, z, ones, value.running.mean, unread, unread + toFours(value.width) * 4, 1);
  },
};

/** Gains of 1 and shifts of 0 that nothing trains. */
function constants({ arena }: Lowering, width: number): { readonly ones: number; readonly zeros: number } {
  return { ones: arena.take(`ones ${width}`, toFours(width)), zeros: arena.take(`zeros ${width}`, toFours(width)) };
}
