import type { Chunk } from '../../chunks/chunk.js';
import type { Column } from '../../chunks/column.js';
import type { CounterPlan } from '../counters/counter-plan.js';
import { INVALID_LABEL, LATE, startSet } from '../counters/counter-set.js';
import { chooseStart, type RunCounters } from '../counters/counter-start.js';
import { RowCounter } from '../counters/row-counter.js';
import { computedColumns, type ColumnNames, type ComputedColumns } from './computed-columns.js';

/** Returns the names of counters as names of columns. */
export function counterNames(names: readonly string[]): ColumnNames {
  return { names, origin: 'a counter', renaming: (name) => `rename data.counters.count.${name}` };
}

/**
 * Creates a column of counts. The text of one that is unknown is no number, so that a field that reads it finds the row
 * invalid.
 */
export function counterColumn({ labels }: CounterPlan, all: Float32Array, { rows }: Chunk): Column {
  const values = all.subarray(0, rows);
  const text = (row: number): string => {
    const value = values[row]!;
    if (value === LATE) return 'unknown, since the row is late';
    if (value === INVALID_LABEL) return `unknown, since ${labels.join(' or ')} of the row is invalid`;
    return Number.isNaN(value) ? 'unknown, since the time of the row is invalid' : String(value);
  };
  return { type: 'number', text, numbers: { values, isWhole: true } };
}

/**
 * Returns counters that are computed while the files of a source are read, once and in order.
 * @param counters of the run that trained on earlier rows
 */
export function streamCounters(plan: CounterPlan, counters: RunCounters): ComputedColumns {
  const counter = new RowCounter(plan, (first) => startSet(plan, chooseStart(plan, counters, first)));
  return computedColumns(
    counterNames(plan.names),
    ({ columns }) => ({
      next: (chunk, line) => counter.count(chunk, columns, line).map((values) => counterColumn(plan, values, chunk)),
    }),
    // Rows to predict have no labels.
    { inputs: (header) => [...plan.unlabeledColumns, ...plan.labels.filter((name) => header.includes(name))] },
  );
}
