import type { CounterPlan } from '../counters/counter-plan.js';
import { withColumns, type ChunkColumns } from '../computed/chunk-columns.js';
import { counterColumn, counterNames } from '../counters/counter-columns.js';
import { startSet } from '../counters/counter-set.js';
import { chooseStart, type RunCounters } from '../counters/counter-start.js';
import { RowCounter } from '../counters/row-counter.js';
import type { ComputedColumns } from './computed-columns.js';

/**
 * Returns counters that are computed while the files of a source are read, once and in order.
 * @param counters of the run that trained on earlier rows
 */
export function streamCounters(plan: CounterPlan, counters: RunCounters): ComputedColumns {
  const counter = new RowCounter(plan, (first) => startSet(plan, chooseStart(plan, counters, first)));
  return {
    names: plan.names,
    // Rows to predict have no labels.
    inputs: (header) => [...plan.unlabeledColumns, ...plan.labels.filter((name) => header.includes(name))],
    prepare: () => Promise.resolve(),
    keyOf: () => '',
    wrap(rows) {
      const next: ChunkColumns['next'] = (chunk, line) =>
        Promise.resolve(counter.count(chunk, rows.columns, line).map((values) => counterColumn(values, chunk)));
      return withColumns(rows, counterNames(plan.names), () => Promise.resolve({ next, end: () => undefined }));
    },
  };
}
