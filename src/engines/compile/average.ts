import type { CallList } from './call-list.js';
import type { Laid } from './layout.js';

/** Brings the average of all rows that the next update changes up to the step before it. */
export function lowerRowAverages({ average, tables, refused }: Laid, list: CallList): void {
  if (average === undefined) return;
  const { clock } = average;
  for (const {
    at: table,
    rows,
    stride,
    width,
    average: at,
    distinct,
    count: countAt,
    update: { isLazy },
  } of tables.all) {
    list.emit('averageRows', {
      table,
      stride,
      width,
      average: at,
      distinct,
      countAt,
      clock,
      refused,
      tableRows: isLazy ? 0 : rows,
    });
  }
}

/** Takes the dense weights that an update has left into their average. */
export function lowerWeightAverage(
  { average, places: { weightsBegin: w, weightsCount: count }, refused }: Laid,
  list: CallList,
): void {
  if (average !== undefined)
    list.emit('averageWeights', { w, average: average.weights, count, clock: average.clock, refused });
}

/** Exchanges all weights and their average, which is brought up to the steps that were taken. */
export function lowerExchange(
  { average, places: { weightsBegin: w, weightsCount: count }, tables }: Laid,
  list: CallList,
): void {
  if (average === undefined) return;
  const { clock } = average;
  list.emit('exchangeWeights', { w, average: average.weights, count });
  for (const { at: table, rows, stride, width, average: at } of tables.all)
    list.emit('exchangeRows', { table, stride, width, average: at, rows, clock });
}

/** Writes how many steps were taken to where the kernels of the average read it. */
export function setClock({ average }: Laid, { buffer }: Float32Array, stepsTaken: number): void {
  if (average !== undefined) new Float64Array(buffer, average.clock, 2).set([average.decay, stepsTaken]);
}

/**
 * What is left, after `to` steps, more than `from`, of the distance that an average of `from` steps had from weights
 * that stayed the same; the same
 * bits as in kernels/average.ts.
 */
export function shareLeft(decay: number, from: number, to: number): number {
  return Math.fround((power(decay, to - from) * (1 - power(decay, from))) / (1 - power(decay, to)));
}

/** base^n by squaring, in the kernels' order: Math.pow may round otherwise. */
function power(base: number, n: number): number {
  let result = 1;
  for (; n > 0; n >>>= 1, base *= base) if ((n & 1) === 1) result *= base;
  return result;
}
