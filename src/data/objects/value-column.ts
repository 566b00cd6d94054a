import type { Column, ItemForm, Items, Numbers } from '../../chunks/column.js';
import { isInnerList, NESTED, toListItems } from '../../features/nested-json.js';
import { InvalidValueError } from '../../text/invalid-value.js';
import type { DialectOptions } from '../dialect.js';
import { withPoint } from '../readers/decimal-comma.js';

/** An item of a bag: its id, with weight 1, or a pair or object of id and weight. */
export type Item =
  | string
  | number
  | bigint
  | readonly [id: string | number | bigint, weight: number]
  | { readonly id: string | number | bigint; readonly weight?: number };

/** An item of a sequence that has several values: null has none. */
export type NestedItem = readonly (string | number | bigint)[] | null;

/**
 * A value of a row: null and undefined are missing; a bag is a list of items and a vector a list of numbers, or either
 * is the string that a file would have.
 */
export type Value =
  | string
  | number
  | bigint
  | boolean
  | Date
  | Float32Array
  | Float64Array
  | null
  | undefined
  | readonly Item[]
  | readonly NestedItem[];

/** A column of values, which may be anything. Its memory is reused by the next values. */
export class ValueColumn implements Column {
  readonly type = 'values';
  readonly #decimal: DialectOptions['decimal'];
  readonly #values: unknown[] = [];
  /** The numbers among the values, and NaN for others. */
  numbers: Numbers = { values: new Float64Array(0), isWhole: true };
  /** Number of null, undefined and empty values. */
  numMissing = 0;
  #count = 0;

  /** @param decimal separator in strings; default: a dot */
  constructor(decimal: DialectOptions['decimal']) {
    this.#decimal = decimal;
  }

  /** Replaces the values by the values of rows `begin` to `begin + count`. */
  read(valueAt: (row: number) => unknown, begin: number, count: number): void {
    if (this.numbers.values.length < count)
      this.numbers = { values: new Float64Array(Math.max(count, 2 * this.numbers.values.length)), isWhole: true };
    const values = this.#values;
    const numbers = this.numbers.values;
    let numMissing = 0;
    for (let row = 0; row < count; row++) {
      const value = valueAt(begin + row);
      values[row] = value;
      // The text of -0 is 0.
      numbers[row] = typeof value === 'number' ? value + 0 : NaN;
      if (value === undefined || value === null || value === '') numMissing++;
    }
    this.#count = count;
    this.numMissing = numMissing;
  }

  /** Releases the values; numbers stay until the next values. */
  release(): void {
    this.#values.fill(undefined, 0, this.#count);
  }

  text(row: number): string {
    return textOf(this.#values[row]);
  }

  numberText(row: number): string {
    const value = this.#values[row];
    if (typeof value === 'number') return String(value);
    const text = textOf(value);
    return this.#decimal === ',' && typeof value === 'string' ? withPoint(text) : text;
  }

  listAt(row: number, form?: ItemForm): Items | undefined {
    const value = this.#values[row];
    return Array.isArray(value) ? toItems(value, form) : undefined;
  }

  numbersAt(row: number): ArrayLike<number> | undefined {
    const value = this.#values[row];
    return isNumbers(value) ? value : undefined;
  }
}

function toItems(list: readonly unknown[], { areLists, keepsMissing }: ItemForm = {}): Items {
  if (areLists === true) return toListItems(list, textOf);
  const [ids, weights]: [string[], number[]] = [[], []];
  for (const item of list) {
    if (keepsMissing === true && isInnerList(item)) throw NESTED;
    const [id, weight = 1] = splitItem(item);
    ids.push(textOf(id));
    weights.push(typeof weight === 'number' ? weight : NaN);
  }
  return { ids, weights, begin: 0, end: ids.length };
}

/** Returns the id of an item, and its weight if it has one. */
function splitItem(item: unknown): readonly unknown[] {
  if (Array.isArray(item) && item.length === 2) return item as readonly unknown[];
  if (typeof item !== 'object' || item === null || !('id' in item)) return [item];
  return [item.id, 'weight' in item ? item.weight : undefined];
}

/** Returns whether a value is a list or typed array of numbers. */
function isNumbers(value: unknown): value is ArrayLike<number> {
  return Array.isArray(value)
    ? value.every((each) => typeof each === 'number')
    : value instanceof Float32Array || value instanceof Float64Array;
}

/** Rejects integers that a double does not represent exactly. */
const NOT_EXACT = new InvalidValueError(
  `an integer of at most ${Number.MAX_SAFE_INTEGER}, the largest exact value`,
  'write it as a quoted string',
);
const NO_DATE = new InvalidValueError('an existing date');
const NO_VALUE = new InvalidValueError('a string or a number');

/** Returns the text of a value as in a file. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) return '';
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw NO_DATE;
    return value.toISOString();
  }
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) throw NOT_EXACT;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  throw NO_VALUE;
}
