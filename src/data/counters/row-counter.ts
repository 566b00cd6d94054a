import type { Chunk } from '../../chunks/chunk.js';
import { quoted, userError } from '../../core/errors.js';
import { formatTime } from '../../text/dates.js';
import type { FileColumns } from '../readers/cell-file.js';
import { CounterCells } from './counter-cells.js';
import type { CounterPlan } from './counter-plan.js';
import type { CounterSet } from './counter-set.js';
import type { FirstRow } from './counter-start.js';

/** Location of a row. */
interface RowPlace {
  readonly path: string;
  readonly line: number;
}

/** Counts the rows of files, in order of time. */
export class RowCounter {
  readonly #plan: CounterPlan;
  readonly #start: (first: FirstRow) => CounterSet;
  #set: CounterSet | undefined;
  #values: readonly Float32Array[];
  #latest: RowPlace | undefined;

  /** @param start returns the counters before the first row */
  constructor(plan: CounterPlan, start: (first: FirstRow) => CounterSet) {
    this.#plan = plan;
    // A chunk may have no rows.
    this.#values = plan.names.map(() => new Float32Array(0));
    this.#start = start;
  }

  /** Counters after the last row; undefined before the first one. */
  get set(): CounterSet | undefined {
    return this.#set;
  }

  /**
   * Counts the rows of a chunk. A row without a valid time is not counted.
   * @param line number of the first line of the chunk
   * @returns the values of each counter before each row, valid until the next call; NaN for a row without a valid time
   * @throws UserError (data) for a row that is late
   */
  count(chunk: Chunk, { path, constants }: FileColumns, line: number): readonly Float32Array[] {
    if (this.#values[0]!.length < chunk.rows)
      this.#values = this.#plan.specs.map(() => new Float32Array(2 * chunk.rows));
    const cells = new CounterCells(this.#plan, chunk, constants);
    for (let row = 0; row < chunk.rows; row++) {
      const time = cells.time(row);
      if (time === undefined) {
        for (const values of this.#values) values[row] = NaN;
        continue;
      }
      const set = (this.#set ??= this.#start({ time, path }));
      const rowLine = line + (chunk.lines?.[row] ?? row);
      if (set.isLate(time)) throw this.#lateRow(set, cells.timeText(row), { path, line: rowLine });
      if (time > set.clock) this.#latest = { path, line: rowLine };
      set.count({ time, keys: cells.keys(row), labels: cells.labels(row) }, this.#values, row);
    }
    return this.#values;
  }

  #lateRow(set: CounterSet, text: string, { path, line }: RowPlace): Error {
    const latest = this.#latest === undefined ? 'the training data' : `${this.#latest.path}:${this.#latest.line}`;
    return userError('data', {
      where: `${path}:${line}`,
      key: `column ${quoted(this.#plan.time)}`,
      message: `is ${quoted(text)}, earlier than ${formatTime(set.clock)} in ${latest}`,
      fix:
        'sort the rows by time and list files in order, with training data before validation and test data, or set ' +
        'data.counters.tolerance to the time by which rows may be late',
    });
  }
}
