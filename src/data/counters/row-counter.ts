import type { Chunk } from '../../chunks/chunk.js';
import { CELL_SEPARATOR, type Column } from '../../chunks/column.js';
import { quoted, userError } from '../../core/errors.js';
import { isDecimal } from '../../text/decimal.js';
import { InvalidValueError } from '../../text/invalid-value.js';
import type { FileColumns } from '../readers/cell-file.js';
import type { CounterPlan } from './counter-plan.js';
import type { CounterSet } from './counter-set.js';

/** Returns the value of a column as text, empty if it is missing or has no text. */
type ReadText = (row: number) => string;

/** Location of a row. */
interface RowPlace {
  readonly path: string;
  readonly line: number;
}

/** Counts the rows of files, in order of time. */
export class RowCounter {
  readonly #plan: CounterPlan;
  readonly #start: (time: number, path: string) => CounterSet;
  #set: CounterSet | undefined;
  #values: readonly Float32Array[];
  #latest: RowPlace | undefined;

  /** @param start returns the counters before the first row, for its time and file */
  constructor(plan: CounterPlan, start: (time: number, path: string) => CounterSet) {
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
  count(chunk: Chunk, file: FileColumns, line: number): readonly Float32Array[] {
    const plan = this.#plan;
    if (this.#values[0]!.length < chunk.rows) this.#values = plan.specs.map(() => new Float32Array(2 * chunk.rows));
    const readTime = this.#reader(chunk, file, plan.time);
    const readKeys = plan.groups.map((columns) => columns.map((name) => this.#reader(chunk, file, name)));
    const readLabels = plan.labels.map((name) => this.#reader(chunk, file, name, true));
    // Reused, since each row has them.
    const [keys, labels] = [plan.groups.map(() => ''), new Float64Array(plan.labels.length)];
    for (let row = 0; row < chunk.rows; row++) {
      const text = readTime(row);
      const time = this.#parseTime(text);
      if (time === undefined) {
        for (const values of this.#values) values[row] = NaN;
        continue;
      }
      const set = (this.#set ??= this.#start(time, file.path));
      const rowLine = line + (chunk.lines?.[row] ?? row);
      if (set.isLate(time)) throw this.#lateRow(set, { text, path: file.path, line: rowLine });
      if (time > set.clock) this.#latest = { path: file.path, line: rowLine };
      for (let g = 0; g < keys.length; g++) keys[g] = joinKey(readKeys[g]!, row);
      for (let l = 0; l < labels.length; l++) labels[l] = parseLabel(readLabels[l]!(row));
      set.count({ time, keys, labels }, this.#values, row);
    }
    return this.#values;
  }

  #parseTime(text: string): number | undefined {
    try {
      return this.#plan.readTime(text);
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
      return undefined;
    }
  }

  #lateRow(set: CounterSet, { text, path, line }: RowPlace & { readonly text: string }): Error {
    const latest = this.#latest === undefined ? 'the training data' : `${this.#latest.path}:${this.#latest.line}`;
    return userError('data', {
      where: `${path}:${line}`,
      key: `column ${quoted(this.#plan.time)}`,
      message: `is ${quoted(text)}, earlier than ${new Date(set.clock).toISOString()} in ${latest}`,
      fix:
        'sort the rows by time and list files in order, with training data before validation and test data, or set ' +
        'data.counters.tolerance to the time by which rows may be late',
    });
  }

  /** Creates a reader of a column; a file without it has missing values. */
  #reader({ columns }: Chunk, { constants }: FileColumns, name: string, isNumber = false): ReadText {
    const { clean } = this.#plan;
    const constant = constants?.get(name);
    if (constant !== undefined) return () => clean(constant);
    const column = columns.get(name);
    return column === undefined ? () => '' : (row) => clean(readText(column, row, isNumber));
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

/** Parses a label; NaN if it is missing or not a number. */
function parseLabel(text: string): number {
  if (text === '0' || text === '1') return text === '1' ? 1 : 0;
  return isDecimal(text) ? Number(text) : NaN;
}
