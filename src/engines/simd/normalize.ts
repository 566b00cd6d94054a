import type { Parameter, RunningStatistics } from '../../graph/operations.js';
import { WORD, type Arena } from './arena.js';
import { ROWS } from './call-list.js';
import type { Lowering } from './lowering.js';
import type { Place } from './places.js';

// Batch norm, in one call where its own rows of a batch are what this process normalizes by, else in turns: between
// them, sums over rows are added up.

/** y = (x - mean) / √(variance + ε) · gain + shift, and what reads it at once */
export function normalize(
  { mode, arena, places, list, allRows, inTurns }: Lowering,
  x: Place,
  y: Place,
  gain: number,
  shift: number,
  running: RunningStatistics,
  andThen: () => void = () => undefined,
): void {
  const at = places.vector(running.mean);
  if (mode === 'predict') {
    list.emit('normalizeRunning', {
      x: x.at,
      ldx: x.ld,
      y: y.at,
      ldy: y.ld,
      gain,
      shift,
      running: at,
      rows: ROWS,
      columns: x.columns,
      epsilon: running.epsilon,
    });
    andThen();
    return;
  }
  const statistics = statisticsAt(arena, running.mean, x);
  const momentum = mode === 'train' ? running.momentum : 0;
  const [from, scaled] = [
    { x: x.at, ldx: x.ld, statistics, rows: ROWS, columns: x.columns },
    { y: y.at, ldy: y.ld, gain, shift, running: at, epsilon: running.epsilon, momentum },
  ] as const;
  if (allRows === undefined) {
    list.emit('normalize', { ...from, ...scaled });
    andThen();
    return;
  }
  const sums = { at: sumsAt(statistics, x), count: x.columns };
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

/** Its gradients: of x, and of gain and shift. */
export function normalizeGradient(
  { arena, list, allRows, inTurns }: Lowering,
  x: Place,
  y: Place,
  gain: number,
  mean: Parameter,
  dgain: number,
  dshift: number,
  accumulate: number,
): void {
  const statistics = statisticsAt(arena, mean, x);
  const from = { x: x.at, ldx: x.ld, dy: y.gradient, ldy: y.ld, statistics, rows: ROWS, columns: x.columns } as const;
  if (allRows === undefined) {
    list.emit('normalizeGradient', { ...from, gain, dx: x.gradient, dgain, dshift, accumulate });
    return;
  }
  inTurns([
    {
      emit: () => list.emit('normalizeGradientSums', { ...from, dgain, dshift }),
      sums: { at: sumsAt(statistics, x), count: 2 * x.columns },
    },
    { emit: () => list.emit('normalizeGradientTogether', { ...from, gain, dx: x.gradient, allRows, accumulate }) },
  ]);
}

/** A batch's mean and 1/√(variance + ε), and room for two sums in double precision. */
function statisticsAt(arena: Arena, mean: Parameter, x: Place): number {
  return arena.take(`statistics ${mean.name}`, 6 * x.columns);
}

/** Where the doubles behind the statistics begin. */
function sumsAt(statistics: number, { columns }: Place): number {
  return statistics + 2 * columns * WORD;
}
