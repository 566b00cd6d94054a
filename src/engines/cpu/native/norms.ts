import type { Kernels } from '../kernels.js';
import { columnsOf } from '../shares.js';
import type { Native } from './native.js';
import type { Reach } from './reach.js';

/** The batch norms of addon.c. */
export interface NativeNorms {
  normalize(
    x: number,
    ldx: number,
    y: number,
    ldy: number,
    gain: number,
    shift: number,
    running: number,
    statistics: number,
    rows: number,
    columns: number,
    begin: number,
    end: number,
    epsilon: number,
    momentum: number,
  ): void;
  /** Returns 1 if the squares of the gradients of gain and shift are finite, otherwise 0. */
  normalizeGradient(
    x: number,
    ldx: number,
    dy: number,
    ldy: number,
    gain: number,
    statistics: number,
    dx: number,
    dgain: number,
    dshift: number,
    rows: number,
    columns: number,
    accumulate: number,
    begin: number,
    end: number,
  ): number;
}

/** Minimum rows for which a native call pays off. */
const FEWEST_ROWS = 32;
/** Words of the statistics of a column: its mean and 1/√, and two doubles. */
const STATISTICS = 6;

/** Creates native batch norms that replace those of an instance. */
export function nativeNorms(kernels: Kernels, native: NativeNorms, { hold }: Reach) {
  return {
    normalize(x, ldx, y, ldy, gain, shift, running, statistics, rows, columns, epsilon, momentum, slot, slots) {
      if (rows < FEWEST_ROWS)
        return kernels.normalize(
          x,
          ldx,
          y,
          ldy,
          gain,
          shift,
          running,
          statistics,
          rows,
          columns,
          epsilon,
          momentum,
          slot,
          slots,
        );
      const { begin, end } = columnsOf(kernels, columns, slot, slots);
      if (begin === end) return 0;
      hold(x, rows, ldx, columns);
      hold(y, rows, ldy, columns);
      hold(gain, 1, 0, columns);
      hold(shift, 1, 0, columns);
      hold(running, 1, 0, 2 * columns);
      hold(statistics, 1, 0, STATISTICS * columns);
      native.normalize(x, ldx, y, ldy, gain, shift, running, statistics, rows, columns, begin, end, epsilon, momentum);
      return 0;
    },
    normalizeGradient(x, ldx, dy, ldy, gain, statistics, dx, dgain, dshift, rows, columns, accumulate, slot, slots) {
      if (rows < FEWEST_ROWS)
        return kernels.normalizeGradient(
          x,
          ldx,
          dy,
          ldy,
          gain,
          statistics,
          dx,
          dgain,
          dshift,
          rows,
          columns,
          accumulate,
          slot,
          slots,
        );
      const { begin, end } = columnsOf(kernels, columns, slot, slots);
      if (begin === end) return 0;
      hold(x, rows, ldx, columns);
      hold(dy, rows, ldy, columns);
      hold(dx, rows, ldx, columns);
      hold(gain, 1, 0, columns);
      hold(dgain, 1, 0, columns);
      hold(dshift, 1, 0, columns);
      hold(statistics, 1, 0, STATISTICS * columns);
      if (
        native.normalizeGradient(
          x,
          ldx,
          dy,
          ldy,
          gain,
          statistics,
          dx,
          dgain,
          dshift,
          rows,
          columns,
          accumulate,
          begin,
          end,
        ) === 0
      )
        kernels.noteNotFinite();
      return 0;
    },
  } satisfies Native;
}
