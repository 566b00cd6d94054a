import { computedColumns, type ComputedColumns } from '../computed/computed-columns.js';
import { counterColumn, counterNames } from '../counters/counter-columns.js';
import type { CounterPlan } from '../counters/counter-plan.js';
import { startSet } from '../counters/counter-set.js';
import { chooseStart, type RunCounters } from '../counters/counter-start.js';
import { RowCounter } from '../counters/row-counter.js';

/**
 * Returns counters that are computed while the files of a source are read, once and in order.
 * @param counters of the run that trained on earlier rows
 */
export function streamCounters(plan: CounterPlan, counters: RunCounters): ComputedColumns {
  const counter = new RowCounter(plan, (first) => startSet(plan, chooseStart(plan, counters, first)));
  return computedColumns(
    counterNames(plan.names),
    ({ columns }) => ({
      next: (chunk, line) => counter.count(chunk, columns, line).map((values) => counterColumn(values, chunk)),
    }),
    // Rows to predict have no labels.
    { inputs: (header) => [...plan.unlabeledColumns, ...plan.labels.filter((name) => header.includes(name))] },
  );
}
