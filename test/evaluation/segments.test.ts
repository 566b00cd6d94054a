import { describe, expect, it } from 'vitest';
import { createCollector } from '../../src/evaluation/evaluation.js';
import { BLOCK_ROWS } from '../../src/evaluation/row-store.js';
import { batchOf, measuring, reportOf, spacesOfType } from '../support/measured.js';

const rowsOf = (count: number, hourOf: (row: number) => number) => ({
  labels: Float32Array.from({ length: count }, (_, row) => Number((row * 7919) % 5 === 0)),
  predictions: Float32Array.from({ length: count }, (_, row) => ((row * 31) % 97) / 100),
  columns: {
    hour: Uint32Array.from({ length: count }, (_, row) => hourOf(row)),
    user: Uint32Array.from({ length: count }, (_, row) => row % 13),
  },
});

describe('segments', () => {
  it('are measured as their rows alone would be, across blocks', () => {
    const count = BLOCK_ROWS + 777;
    const rows = rowsOf(count, (row) => [3, 12, 7][row % 3]!);
    const section = { metrics: ['auc', 'ece', { name: 'gauc', groupBy: 'user' }], segmentBy: ['hour'] };
    const collector = createCollector(spacesOfType('classification'), measuring(section));
    for (let begin = 0; begin < count; begin += 5000) {
      const end = Math.min(count, begin + 5000);
      collector.add(batchOf(rows, begin, end), new Map([['y', rows.predictions.slice(begin, end)]]));
    }
    const report = collector.report();
    expect(Object.keys(report)).toEqual(['y', 'y[hour=3]', 'y[hour=7]', 'y[hour=12]']);
    for (const [i, hour] of [3, 12, 7].entries()) {
      const only = <Data extends Float32Array | Uint32Array>(data: Data): Data =>
        data.filter((_, row) => row % 3 === i) as Data;
      const own = {
        labels: only(rows.labels),
        predictions: only(rows.predictions),
        columns: { hour: only(rows.columns.hour), user: only(rows.columns.user) },
      };
      expect(report[`y[hour=${hour}]`]).toEqual(reportOf({ ...section, segmentBy: undefined }, own)['y']);
    }
  });

  it('beyond a hundred are one together, that of the fewest rows', () => {
    const report = reportOf(
      { segmentBy: ['hour'] },
      rowsOf(600, (row) => (row < 300 ? row % 3 : 10 + (row % 150))),
    );
    const names = Object.keys(report);
    expect([names.length, names[1], names.at(-1)]).toEqual([1 + 100, 'y[hour=0]', 'y[hour=(others)]']);
    expect(report['y[hour=0]']!.rows).toBe(100);
    expect(names.slice(1).reduce((sum, name) => sum + report[name]!.rows, 0)).toBe(600);
  });
});
