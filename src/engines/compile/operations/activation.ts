import type { ValueOf } from '../../../graph/operations.js';
import { shift, roundUpTo4, type Ref } from '../buffers.js';
import type { Lowered, Lowering } from '../lowering.js';
import type { Place } from '../places.js';
import { ACTIVATION_CODES } from './activation-codes.js';
import { normalize, normalizeGradient } from './normalize.js';

export const ACTIVATION: Lowered<'activation'> = {
  forward(value, lowering) {
    const { places, list, view } = lowering;
    if (lowering.fused(value.x) > 0) return;
    const [x, y] = [view(value.x), view(value)];
    const kind = ACTIVATION_CODES[value.kind];
    if (kind !== undefined) list.emit('activate', { kind, x, y, columns: x.columns });
    else if (value.running === undefined)
      list.emit('prelu', { x, slope: places.vector(value.slope!), y, columns: x.columns });
    else {
      const z = normalized(value, lowering).value;
      const { ones, zeros } = constants(lowering, value.width);
      const slope = places.vector(value.slope!);
      normalize(lowering, x, z, { gain: ones, shift: zeros, activation: 0 }, value.running, () =>
        list.emit('dice', { x, z, slope, y, columns: x.columns }),
      );
    }
  },
  backward(value, lowering) {
    const { places, list, view, gradient, weightGradient, accumulate } = lowering;
    const [x, dx, dy] = [view(value.x), gradient(value.x), gradient(value)];
    const kind = ACTIVATION_CODES[value.kind];
    const isAdded = accumulate(value.x);
    // The gradient of a batch norm starts with the slope of its activation.
    if (lowering.fused(value.x) > 0 && value.x.op === 'batchNorm') return;
    if (kind !== undefined) {
      list.emit('activateGradient', { kind, x, y: view(value), dy, dx, columns: x.columns, accumulate: isAdded });
      return;
    }
    const slope = places.vector(value.slope!);
    const g = weightGradient(slope);
    if (value.running === undefined) {
      const sums = lowering.buffers.take(`slopes ${value.id}`, 'scratch', value.rows);
      list.emit('preluGradient', { x, slope, dy, dx, sums, columns: x.columns, accumulate: isAdded });
      list.emit('preluSlope', { sums, g });
      return;
    }
    const { value: z, gradient: dz } = normalized(value, lowering);
    list.emit('diceGradient', { x, z, slope, dy, dx, dz, columns: x.columns, accumulate: isAdded });
    list.emit('diceSlopes', { x, z, dy, g, width: x.width });
    const { ones, zeros, unread } = constants(lowering, value.width);
    const scaling = { gain: ones, shift: zeros, activation: 0 };
    normalizeGradient(lowering, places.of(value.x), dz, scaling, value.running.mean, unread, 1);
  },
};

/** The normalized input of `dice`. */
function normalized({ id, width, rows }: ValueOf<'activation'>, { places }: Lowering): Place {
  return places.columns(`normalized ${id}`, width, rows);
}

/** A gain of 1 and a shift of 0 that nothing trains, and their gradients, which nothing reads. */
function constants(
  { buffers }: Lowering,
  width: number,
): { readonly ones: Ref; readonly zeros: Ref; readonly unread: { readonly gain: Ref; readonly shift: Ref } } {
  const padded = roundUpTo4(width);
  const gain = buffers.take(`unread gradients ${width}`, 'scratch', 2, padded);
  return {
    ones: buffers.take(`ones ${width}`, 'constant', 1, padded, 1),
    zeros: buffers.take(`zeros ${width}`, 'constant', 1, padded),
    unread: { gain, shift: shift(gain, padded) },
  };
}
