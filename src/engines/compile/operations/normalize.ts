import type { Parameter, RunningStatistics } from '../../../graph/operations.js';
import { shift as shiftRef, type Buffers, type Ref, type View } from '../buffers.js';
import type { Lowering } from '../lowering.js';
import type { Place } from '../places.js';

// Batch norm is one call if a process normalizes by its own rows. Otherwise it takes turns, and sums over rows are
// all-reduced between them.

/** What a normalized value is scaled by, and the code of the activation that follows; 0 for none. */
interface Scaling {
  readonly gain: Ref;
  readonly shift: Ref;
  readonly activation: number;
}

/** Emits y = activation of ((x - mean) / √(variance + ε) · gain + shift), and what reads it in the same phase. */
export function normalize(
  { mode, buffers, places, list, allRowsOf, inTurns }: Lowering,
  x: View,
  y: View,
  scaling: Scaling,
  { mean, epsilon, momentum }: RunningStatistics,
  andThen: () => void = () => undefined,
): void {
  const running = places.vector(mean);
  const { columns } = x;
  if (mode === 'predict') {
    list.emit('normalizeRunning', { x, y, ...scaling, running, columns, epsilon });
    andThen();
    return;
  }
  const [statistics, allRows] = [statisticsOf(buffers, mean, x), allRowsOf(x)];
  const from = { x, statistics, columns };
  const scaled = { y, ...scaling, running, epsilon, momentum: mode === 'train' ? momentum : 0 };
  if (allRows === undefined) {
    list.emit('normalize', { ...from, ...scaled });
    andThen();
    return;
  }
  const sums = { at: sumsOf(statistics, x), count: columns };
  inTurns([
    { emit: () => list.emit('normalizeSums', from), sums },
    { emit: () => list.emit('normalizeSquares', { ...from, allRows }), sums },
    {
      emit() {
        list.emit('normalizeTogether', { ...from, ...scaled, allRows });
        andThen();
      },
    },
  ]);
}

/** Emits the gradients of x, gain and shift from the gradient of the activation. */
export function normalizeGradient(
  { buffers, list, allRowsOf, inTurns }: Lowering,
  { value: x, gradient: dx }: Place,
  dy: View,
  scaling: Scaling,
  mean: Parameter,
  { gain: dgain, shift: dshift }: { readonly gain: Ref; readonly shift: Ref },
  accumulate: number,
): void {
  const [statistics, allRows] = [statisticsOf(buffers, mean, x), allRowsOf(x)];
  const from = { x, dy, ...scaling, statistics, columns: x.columns };
  if (allRows === undefined) {
    list.emit('normalizeGradient', { ...from, dx, dgain, dshift, accumulate });
    return;
  }
  inTurns([
    {
      emit: () => list.emit('normalizeGradientSums', { ...from, dgain, dshift }),
      sums: { at: sumsOf(statistics, x), count: 2 * x.columns },
    },
    { emit: () => list.emit('normalizeGradientTogether', { ...from, dx, allRows, accumulate }) },
  ]);
}

/** A batch's mean and 1/√(variance + ε) per column, followed by two sums in double precision. */
function statisticsOf(buffers: Buffers, mean: Parameter, { columns }: View): Ref {
  return buffers.take(`statistics ${mean.name}`, 'scratch', 6, columns);
}

/** The doubles after the statistics. */
function sumsOf(statistics: Ref, { columns }: View): Ref {
  return shiftRef(statistics, 2 * columns);
}
