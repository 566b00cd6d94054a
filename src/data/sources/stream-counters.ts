import type { CounterPlan } from '../counters/counter-plan.js';
import { withColumns } from '../computed/chunk-columns.js';
import { CountedColumns, counterNames } from '../counters/counter-columns.js';
import { startSet } from '../counters/counter-set.js';
import { chooseStart, type RunCounters } from '../counters/counter-start.js';
import { RowCounter } from '../counters/row-counter.js';
import type { CellFile, RowSource } from '../readers/cell-file.js';
import type { ComputedColumns } from './computed-columns.js';

/** Counters that are computed while the files of a source are read, once and in order. */
export class StreamCounters implements ComputedColumns {
  readonly names: readonly string[];
  readonly #plan: CounterPlan;
  readonly #counter: RowCounter;

  /** @param counters of the run that trained on earlier rows */
  constructor(plan: CounterPlan, counters: RunCounters) {
    this.names = plan.names;
    this.#plan = plan;
    this.#counter = new RowCounter(plan, (first) => startSet(plan, chooseStart(plan, counters, first)));
  }

  /** Rows to predict have no labels. */
  inputs(header: readonly string[]): readonly string[] {
    return [...this.#plan.unlabeledColumns, ...this.#plan.labels.filter((name) => header.includes(name))];
  }

  prepare(): Promise<void> {
    return Promise.resolve();
  }

  keyOf(): string {
    return '';
  }

  wrap(rows: RowSource<CellFile>): RowSource<CellFile> {
    const open = (): Promise<CountedColumns> => Promise.resolve(new CountedColumns(this.#counter, rows.columns));
    return withColumns(rows, counterNames(this.names), open);
  }
}
