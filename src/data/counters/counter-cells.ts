import type { Chunk } from '../../chunks/chunk.js';
import { CELL_SEPARATOR, type Column } from '../../chunks/column.js';
import { isDecimal } from '../../text/decimal.js';
import { InvalidValueError } from '../../text/invalid-value.js';
import type { FileColumns } from '../readers/cell-file.js';
import type { CounterPlan } from './counter-plan.js';

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

  /** Returns the value of each label, valid until the next call; NaN if it is missing or not a number. */
  labels(row: number): Float64Array {
    for (let l = 0; l < this.#labels.length; l++) this.#labels[l] = parseLabel(this.#readLabels[l]!(row));
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

function parseLabel(text: string): number {
  if (text === '0' || text === '1') return text === '1' ? 1 : 0;
  return isDecimal(text) ? Number(text) : NaN;
}
