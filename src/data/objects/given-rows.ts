import { closest } from 'fastest-levenshtein';
import { didYouMean, quoted, userError, UserError, type Problem } from '../../core/errors.js';
import type { DialectOptions } from '../dialect.js';
import { ValueColumn, type Value } from './value-column.js';

/**
 * A row as an object: values by column name. Null is a missing value; columns that the model does not read are ignored.
 * Nested objects are flattened with dots, as in JSON Lines: `user.id`.
 */
export interface Row {
  readonly [column: string]: Value | Row;
}

/** Rows as columns by name: lists, or typed arrays of numbers. */
export type Columns = Readonly<Record<string, ArrayLike<Value>>>;

/** Handling of a column that a row lacks: an error, or the same as null. */
export type OnMissing = 'error' | 'oov';

/** The value of a column that a row lacks, if that is an error. */
export const ABSENT = Symbol('absent');

/** Rows of a program in any layout. */
export interface GivenRows {
  readonly count: number;
  /** Returns a function from a row to its value in a column, which may be anything, or ABSENT. */
  valuesOf(column: string): (row: number) => unknown;
  /** Returns the names of a row's columns, for suggestions. */
  namesOf(row: number): readonly string[];
  /** Returns the location of a row in problems. */
  placeOf(row: number): string;
  /** Returns the problem of a column that a row lacks, without a location; default: the column is missing. */
  absentProblem?(row: number, column: string): Omit<Problem, 'where'> | undefined;
}

/** Rows that lack what a state remembers about earlier rows. */
export interface LackingRows<Query = unknown, Answer = unknown> {
  /** For the state. Plain data. */
  readonly query: Query;
  /** Adds the answer of the state to these rows, which may have other columns by now; a value of a row remains. */
  fill(answer: Answer, rows: GivenRows): GivenRows;
}

/** Returns whether a value stands for a column that a row lacks, whatever the policy for such columns. */
export const isAbsent = (value: unknown): boolean => value === ABSENT || value === undefined;

/** Reads a column of all rows; a value that a row lacks is missing. */
export function presentColumn(given: GivenRows, name: string, decimal: DialectOptions['decimal']): ValueColumn {
  const valueAt = given.valuesOf(name);
  const column = new ValueColumn(decimal);
  const presentAt = (row: number): unknown => (isAbsent(valueAt(row)) ? null : valueAt(row));
  column.read(presentAt, 0, given.count);
  return column;
}

const placeIn = (list: string, row: number): string => `${list}[${row}]`;

/** Minimum length of a name that is suggested because it is part of another one. */
const MIN_PART_CHARS = 3;

/** Rows that are objects. */
export interface ObjectRows extends GivenRows {
  /** Returns the first row that has a column, if any. */
  findRow(column: string): number | undefined;
}

/**
 * Reads rows that are objects.
 * @param list name of the rows in problems
 * @throws UserError (data) for values that are not objects
 */
export function rowsOfObjects(rows: readonly Row[], onMissing: OnMissing = 'error', list = 'rows'): ObjectRows {
  checkObjects(rows, list);
  const valuesOf = readObjects(rows, onMissing === 'error' ? ABSENT : undefined);
  return {
    count: rows.length,
    valuesOf,
    namesOf: (row) => Object.keys(rows[row]!),
    placeOf: (row) => placeIn(list, row),
    findRow: (column) => findRow(rows, column),
  };
}

function checkObjects(given: unknown, list: string): void {
  if (!Array.isArray(given))
    throw userError('data', {
      where: list,
      message: `expected a list of rows, found ${quoted(given)}`,
      fix: 'pass a single row as [row]',
    });
  for (const [row, value] of (given as readonly unknown[]).entries()) checkObject(value, placeIn(list, row));
}

/** @throws UserError (data) for a value that is not an object */
export function checkObject(value: unknown, where: string): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw userError('data', {
      where,
      message: `expected an object with one value per column, found ${quoted(value)}`,
    });
}

/** @param absent value of a column that a row lacks */
function readObjects(rows: readonly Row[], absent: typeof ABSENT | undefined): GivenRows['valuesOf'] {
  return (column) => {
    if (column.includes('.')) return (row) => nestedValue(rows[row]!, column, absent);
    // Properties that every object inherits are not columns.
    const isInherited = column in Object.prototype;
    return (row) => {
      const value = rows[row]![column];
      return (value === undefined || isInherited) && !Object.hasOwn(rows[row]!, column) ? absent : value;
    };
  };
}

function findRow(rows: readonly Row[], column: string): number | undefined {
  const valueAt = readObjects(rows, ABSENT)(column);
  const isPath = column.includes('.');
  // A search is faster than a read, and finds nothing in most rows.
  for (let row = 0; row < rows.length; row++)
    if ((isPath || column in rows[row]!) && valueAt(row) !== ABSENT) return row;
  return undefined;
}

/**
 * Returns the value at a path of keys, which may contain dots: the value of the shortest first key that leads to one.
 * If a key on the path is null, so is the value.
 */
function nestedValue(row: Row, column: string, absent: typeof ABSENT | undefined): unknown {
  if (Object.hasOwn(row, column)) return row[column];
  let found: unknown = absent;
  for (let dot = column.indexOf('.'); dot >= 0; dot = column.indexOf('.', dot + 1)) {
    const key = column.slice(0, dot);
    if (!Object.hasOwn(row, key)) continue;
    const inner = row[key];
    if (inner === null || inner === undefined) found = undefined;
    else if (typeof inner === 'object') {
      // Other objects have no keys that are columns.
      const value = nestedValue(inner as Row, column.slice(dot + 1), ABSENT);
      if (value !== ABSENT) return value;
    }
  }
  return found;
}

/**
 * Reads rows that are stored as columns.
 * @param required columns that may not be absent; default: all absent columns are null
 * @param where location of the columns in problems
 * @throws UserError (data) for columns of different lengths, and for absent ones
 */
export function rowsOfColumns(columns: Columns, required?: readonly string[], where = 'columns'): GivenRows {
  const names = Object.keys(columns);
  const count = names.length === 0 ? 0 : columns[names[0]!]!.length;
  for (const name of names) {
    const { length } = columns[name]!;
    if (length !== count)
      throw userError('data', {
        where: 'columns',
        key: columnKey([name]),
        message: `has ${length} values, but ${columnKey([names[0]!])} has ${count}`,
        fix: 'pass one value per row in every column',
      });
  }
  const absent = (required ?? []).filter((name) => !names.includes(name));
  if (absent.length > 0) throw new UserError('data', absentProblems(where, absent, names, new Set(required)));
  return {
    count,
    valuesOf(name) {
      const values = Object.hasOwn(columns, name) ? columns[name] : undefined;
      const otherwise = required === undefined ? undefined : ABSENT;
      return (row) => (values === undefined ? otherwise : values[row]);
    },
    namesOf: () => names,
    placeOf: (row) => placeIn('rows', row),
  };
}

/** Concatenates rows; problems keep the row numbers of their part. */
export function joinRows(parts: readonly GivenRows[]): GivenRows {
  if (parts.length === 1) return parts[0]!;
  const partOf = parts.flatMap(({ count }, p) => new Array<number>(count).fill(p));
  const rowOf = parts.flatMap(({ count }) => [...new Array(count).keys()]);
  return {
    count: partOf.length,
    valuesOf(column) {
      const values = parts.map((part) => part.valuesOf(column));
      return (row) => values[partOf[row]!]!(rowOf[row]!);
    },
    namesOf: (row) => parts[partOf[row]!]!.namesOf(rowOf[row]!),
    placeOf: (row) => parts[partOf[row]!]!.placeOf(rowOf[row]!),
  };
}

/**
 * Describes the columns that are absent: one problem for each column with a suggestion, and one for all others.
 * @param names of the columns that are present
 * @param read columns that are read
 */
export function absentProblems(
  where: string,
  columns: readonly string[],
  names: readonly string[],
  read: ReadonlySet<string>,
): readonly Problem[] {
  const found = columns.map((column) => ({ column, fix: suggestColumn(column, names, read) }));
  const others = found.filter(({ fix }) => fix === undefined).map(({ column }) => column);
  const [message, fix] =
    others.length === 1
      ? ['is missing', 'add it, as null if its value is missing, or set onMissing to oov']
      : ['are missing', 'add them, as null if their values are missing, or set onMissing to oov'];
  return [
    ...found.flatMap(({ column, fix }) =>
      fix === undefined ? [] : [{ where, key: columnKey([column]), message: 'is missing', fix }],
    ),
    ...(others.length === 0 ? [] : [{ where, key: columnKey(others), message, fix }]),
  ];
}

/** Suggests an unused column in place of an absent one: its name is equal but for case, is part of it, or is close. */
export function suggestColumn(column: string, names: readonly string[], read: ReadonlySet<string>): string | undefined {
  const plain = (name: string): string => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
  const isPart = (a: string, b: string): boolean => a.length >= MIN_PART_CHARS && plain(b).includes(plain(a));
  const isNumber = (name: string): boolean => /^\d+$/.test(name);
  const others = names.filter((name) => !read.has(name));
  const parts = others.filter((name) => isPart(name, column) || isPart(column, name));
  // Numbers that differ in a digit are other columns.
  const near = others.filter(
    (name) => !(isNumber(name) && isNumber(column)) && didYouMean(name, [column]) !== undefined,
  );
  const found =
    others.find((name) => plain(name) === plain(column)) ??
    [parts, near].filter(({ length }) => length > 0).map((some) => closest(column, some))[0];
  return found === undefined ? undefined : `found ${quoted(found)}; did you mean '${column}'?`;
}

/** Returns the key of problems with some columns. */
export const columnKey = (columns: readonly string[]): string =>
  `${columns.length === 1 ? 'column' : 'columns'} ${columns.map((column) => quoted(column)).join(', ')}`;
