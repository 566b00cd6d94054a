import type { CounterPlan } from '../counters/counter-plan.js';
import { CountedValues, withCounters } from '../counters/counter-columns.js';
import { startSet } from '../counters/counter-set.js';
import { chooseStart, type RunCounters } from '../counters/counter-start.js';
import { RowCounter } from '../counters/row-counter.js';
import type { CellFile, RowSource } from '../readers/cell-file.js';
import type { Reading } from './source.js';

/** Counters of the files of a source. */
export interface FileCounters {
  /** Columns that are added to each file. */
  readonly names: readonly string[];
  /** Returns the columns that counters read from a file with this header while the file is encoded. */
  inputs(header: readonly string[]): readonly string[];
  /** Counts all rows up to the last one of the source, unless that is done while they are encoded. */
  prepare(reading: Reading): Promise<void>;
  /** Returns a key of everything that determines the counters of a file, after `prepare`. */
  keyOf(path: string): string;
  /** @throws UserError (data) for a file with a column of the same name */
  wrap(rows: RowSource<CellFile>): RowSource<CellFile>;
}

/** Counters that are computed while the files of a source are read, once and in order. */
export class StreamCounters implements FileCounters {
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
    return withCounters(rows, this.names, () => Promise.resolve(new CountedValues(this.#counter, rows.columns)));
  }
}
