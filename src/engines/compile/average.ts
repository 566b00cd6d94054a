import { WORD } from './buffers.js';
import type { CallList } from './call-list.js';
import type { Layout } from './layout.js';

/** Brings the average of all rows that the next update changes up to the step before it. */
export function lowerRowAverages({ average, tables, refused }: Layout, list: CallList): void {
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
  } of tables.trained) {
    list.emit('averageRows', {
      table,
      stride,
      width,
      average: at * WORD,
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
  { average, places: { weights: w, weightsCount: count }, refused }: Layout,
  list: CallList,
): void {
  if (average !== undefined)
    list.emit('averageWeights', { w, average: average.weights, count, clock: average.clock, refused });
}

/**
 * Exchanges all weights and their average, which is brought up to the steps that were taken; of tables that grow, only
 * the rows in use.
 */
export function lowerExchange(
  { average, places: { weights: w, weightsCount: count }, tables }: Layout,
  list: CallList,
): void {
  if (average === undefined) return;
  const { clock } = average;
  list.emit('exchangeWeights', { w, average: average.weights, count });
  for (const { at: table, rows: all, stride, width, average: at, usedRowsAt } of tables.trained) {
    const rows = usedRowsAt === undefined ? all : 0;
    list.emit('exchangeRows', { table, stride, width, average: at * WORD, rows, countAt: usedRowsAt ?? clock, clock });
  }
}
