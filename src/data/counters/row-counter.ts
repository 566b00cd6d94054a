import type { Chunk } from '../../chunks/chunk.js';
import { CELL_SEPARATOR, type Column } from '../../chunks/column.js';
import { quoted, userError } from '../../core/errors.js';
import { formatTime } from '../../text/dates.js';
import { InvalidValueError } from '../../text/invalid-value.js';
import type { FileColumns } from '../readers/cell-file.js';
import type { CounterPlan } from './counter-plan.js';
import { INVALID_LABEL, LATE, type CounterSet } from './counter-set.js';
import type { FirstRow } from './counter-start.js';

/** Returns the value of a column as text, empty if it is missing or has no text. */
type ReadText = (row: number) => string;

/** The values that counters read from the rows of a chunk; a column that it lacks has missing values. */
export class CounterCells {
  /** Text of the time of a row. */
  readonly timeText: ReadText;
  readonly #plan: CounterPlan;
  readonly #readKeys: readonly (readonly ReadText[])[];
  readonly #readLabels: readonly ReadText[];
  // Reused, since each row has them.
  readonly #keys: string[];
  readonly #labels: Float64Array;

  constructor(plan: CounterPlan, { columns }: Pick<Chunk, 'columns'>, constants?: FileColumns['constants']) {
    const reader = (name: string, isNumber = false): ReadText => {
      const { clean } = plan;
      const constant = constants?.get(name);
      if (constant !== undefined) return () => clean(constant);
      const column = columns.get(name);
      return column === undefined ? () => '' : (row) => clean(readText(column, row, isNumber));
    };
    this.#plan = plan;
    this.timeText = reader(plan.time);
    this.#readKeys = plan.groups.map((names) => names.map((name) => reader(name)));
    this.#readLabels = plan.labels.map((name) => reader(name, true));
    this.#keys = plan.groups.map(() => '');
    this.#labels = new Float64Array(plan.labels.length);
  }

  /** Returns the time of a row in milliseconds since 1970; undefined if it is invalid. */
  time(row: number): number | undefined {
    try {
      return this.#plan.readTime(this.timeText(row));
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
      return undefined;
    }
  }

  /** Returns the key of each group of counters, valid until the next call; empty if a value is missing. */
  keys(row: number): readonly string[] {
    for (let g = 0; g < this.#keys.length; g++) this.#keys[g] = joinKey(this.#readKeys[g]!, row);
    return this.#keys;
  }

  /**
   * Returns the value of each label, valid until the next call; NaN if it is missing, `INVALID_LABEL` if it is invalid.
   * @param onInvalid receives each invalid label
   */
  labels(row: number, onInvalid?: (label: string, error: InvalidValueError) => void): Float64Array {
    const { labels, labelReaders } = this.#plan;
    for (let l = 0; l < this.#labels.length; l++) {
      try {
        this.#labels[l] = labelReaders[l]!.read(this.#readLabels[l]!(row));
      } catch (error) {
        if (!(error instanceof InvalidValueError)) throw error;
        this.#labels[l] = INVALID_LABEL;
        onInvalid?.(labels[l]!, error);
      }
    }
    return this.#labels;
  }
}

function readText(column: Column, row: number, isNumber: boolean): string {
  try {
    return isNumber && column.numberText !== undefined ? column.numberText(row, false) : column.text(row);
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    return '';
  }
}

/** Joins the values of a key; empty if one is missing. */
function joinKey(readers: readonly ReadText[], row: number): string {
  let key = '';
  for (let i = 0; i < readers.length; i++) {
    const text = readers[i]!(row);
    if (text === '') return '';
    key = i === 0 ? text : key + CELL_SEPARATOR + text;
  }
  return key;
}

/** Location of a row. */
interface RowPlace {
  readonly path: string;
  readonly line: number;
}

/** Counts rows, in order of time. */
export class RowCounter {
  readonly #plan: CounterPlan;
  readonly #start: (first: FirstRow) => CounterSet;
  readonly #marksLate: boolean;
  #set: CounterSet | undefined;
  #values: readonly Float32Array[];
  #latest: RowPlace | undefined;

  /**
   * @param start returns the counters before the first row
   * @param options.set counters so far; default: no row was counted
   * @param options.marksLate whether late rows are marked; default: they are errors
   */
  constructor(
    plan: CounterPlan,
    start: (first: FirstRow) => CounterSet,
    { set, marksLate = false }: { readonly set?: CounterSet | undefined; readonly marksLate?: boolean } = {},
  ) {
    this.#plan = plan;
    // A chunk may have no rows.
    this.#values = plan.names.map(() => new Float32Array(0));
    this.#start = start;
    this.#set = set;
    this.#marksLate = marksLate;
  }

  /** Counters after the last row; undefined before the first one. */
  get set(): CounterSet | undefined {
    return this.#set;
  }

  /**
   * Counts the rows of a chunk. A row without a valid time is not counted.
   * @param line number of the first line of the chunk
   * @param from first row to count
   * @returns the values of each counter before each counted row, valid until the next call; NaN for a row without a
   * valid time, `INVALID_LABEL` for one with an invalid label, and `LATE` for one that is late
   * @throws UserError (data) for a row that is late, unless it is marked
   */
  count(chunk: Chunk, { path, constants }: FileColumns, line: number, from = 0): readonly Float32Array[] {
    if (this.#values[0]!.length < chunk.rows)
      this.#values = this.#plan.specs.map(() => new Float32Array(2 * chunk.rows));
    const cells = new CounterCells(this.#plan, chunk, constants);
    for (let row = from; row < chunk.rows; row++) {
      const time = cells.time(row);
      if (time === undefined) {
        this.#setAll(row, NaN);
        continue;
      }
      const set = (this.#set ??= this.#start({ time, path }));
      const rowLine = line + (chunk.lines?.[row] ?? row);
      if (set.isLate(time)) {
        if (!this.#marksLate) throw this.#lateRow(set, cells.timeText(row), { path, line: rowLine });
        this.#setAll(row, LATE);
        continue;
      }
      if (time > set.clock) this.#latest = { path, line: rowLine };
      set.count({ time, keys: cells.keys(row), labels: cells.labels(row) }, this.#values, row);
    }
    return this.#values;
  }

  #setAll(row: number, value: number): void {
    for (const values of this.#values) values[row] = value;
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
