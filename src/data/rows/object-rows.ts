import { closest } from 'fastest-levenshtein';
import { didYouMean, quoted, userError, UserError, type Problem } from '../../core/errors.js';
import type { BadCell, Cell } from './encode-values.js';

/**
 * A row as an object: values by column name. Null is a missing value; columns that the model does not read are ignored.
 * Nested objects are flattened with dots, as in JSON Lines: `user.id`.
 */
export interface Row {
  readonly [column: string]: Cell | Row;
}

/** Rows as columns by name: lists, or typed arrays of numbers. */
export type Columns = Readonly<Record<string, ArrayLike<Cell>>>;

/** An invalid row with its problems. */
export interface BadRow {
  /** 0-based index of the row in the given rows. */
  readonly row: number;
  /** Cause: invalid values (input), or a prediction that is not finite. */
  readonly source: 'input' | 'prediction';
  readonly problems: readonly Problem[];
}

/** Rows of a program: how many there are, and the way to their cells. */
export interface GivenRows {
  readonly count: number;
  /** The cells of a column by the number of their row. */
  cellsOf(column: string): (row: number) => unknown;
  /** The columns that a row has, where they have names that people write. */
  namesOf?(row: number): readonly string[];
  /**
   * Whether a cell that is undefined is an error, because the row does not have the column; none is if it is left out.
   */
  isAbsent?(row: number, column: string): boolean;
  /** What a row is called; its number among the rows where it is left out. */
  placeOf?(row: number): string;
}

/** Characters of a name from which on another that contains it may mean the same. */
const MIN_PART = 3;
/** Rows that an error names. */
const MAX_TOLD = 10;

/** Handling of a column that a row lacks: an error, or the same as null. */
export type OnMissing = 'error' | 'oov';

/**
 * Rows that are objects.
 * @throws UserError (data) for what are none
 */
export function rowsOfObjects(rows: readonly Row[], onMissing: OnMissing = 'error'): GivenRows {
  const given: unknown = rows;
  if (!Array.isArray(given))
    throw userError('data', {
      where: 'rows',
      message: `expected a list of rows, found ${quoted(given)}`,
      fix: 'pass a single row as [row]',
    });
  for (const [row, value] of (given as unknown[]).entries()) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw userError('data', {
        where: rowPlace(row),
        message: `expected an object with one value per column, found ${quoted(value)}`,
      });
  }
  return {
    count: rows.length,
    cellsOf(column) {
      if (column.includes('.')) return (row) => nestedCell(rows[row]!, column);
      // What every object inherits is no cell.
      return column in Object.prototype
        ? (row) => (Object.hasOwn(rows[row]!, column) ? rows[row]![column] : undefined)
        : (row) => rows[row]![column];
    },
    namesOf: (row) => Object.keys(rows[row]!),
    ...(onMissing === 'error' && { isAbsent: (row: number, column: string) => !isPresent(rows[row]!, column) }),
  };
}

/** Whether a row has a column: its key, or keys on the way to it, the last of which may be null. */
function isPresent(row: Row, column: string): boolean {
  if (Object.hasOwn(row, column)) return true;
  for (let dot = column.indexOf('.'); dot >= 0; dot = column.indexOf('.', dot + 1)) {
    const key = column.slice(0, dot);
    if (!Object.hasOwn(row, key)) continue;
    const inner = row[key];
    if (inner === null || inner === undefined) return true;
    if (typeof inner === 'object' && isPresent(inner as Row, column.slice(dot + 1))) return true;
  }
  return false;
}

/** The cell that stands at a path of keys, which may have dots themselves; the shortest first key that leads to one. */
function nestedCell(row: Row, column: string): unknown {
  if (Object.hasOwn(row, column)) return row[column];
  for (let dot = column.indexOf('.'); dot >= 0; dot = column.indexOf('.', dot + 1)) {
    const key = column.slice(0, dot);
    const inner = Object.hasOwn(row, key) ? row[key] : undefined;
    // What else is an object has no keys that are columns.
    const cell =
      typeof inner === 'object' && inner !== null ? nestedCell(inner as Row, column.slice(dot + 1)) : undefined;
    if (cell !== undefined) return cell;
  }
  return undefined;
}

/**
 * Rows that lie as columns.
 * @param required columns that must be there; undefined takes null in place of those that are not
 * @param where the columns are given
 * @throws UserError (data) for columns of several lengths, and for missing ones
 */
export function rowsOfColumns(columns: Columns, required?: readonly string[], where = 'columns'): GivenRows {
  const entries = Object.entries(columns);
  const count = entries[0]?.[1].length ?? 0;
  for (const [name, cells] of entries) {
    if (cells.length !== count)
      throw userError('data', {
        where: 'columns',
        key: columnKey([name]),
        message: `has ${cells.length} values, but ${columnKey([entries[0]![0]])} has ${count}`,
        fix: 'pass one value per row in every column',
      });
  }
  if (required !== undefined) checkColumns(where, Object.keys(columns), new Set(required));
  return {
    count,
    cellsOf: (name) => {
      const cells = Object.hasOwn(columns, name) ? columns[name]! : undefined;
      return cells === undefined ? () => undefined : (row) => cells[row];
    },
    namesOf: () => Object.keys(columns),
  };
}

/**
 * What is wrong with a cell, in words.
 * @param read the columns that are read: another one may be meant by one that a row has not
 */
export function problemOfCell(
  { row, columns, value, expected, cure }: BadCell,
  { namesOf, placeOf = rowPlace }: GivenRows,
  read: ReadonlySet<string>,
): Problem {
  const names = namesOf?.(row) ?? [];
  const hint = value === undefined ? meantColumn(columns[0]!, names, read) : undefined;
  const isBlank = value === undefined || value === null;
  // What a config could say of blanks is past: the model is trained.
  const fix =
    hint ?? (isBlank ? 'add this column to the row' : (cure ?? 'correct the row, or set onBadRow to skip it'));
  return { where: placeOf(row), key: columnKey(columns), message: `expected ${expected}, found ${quoted(value)}`, fix };
}

/** What is wrong with a row that does not have a column. */
export function problemOfAbsent(
  row: number,
  column: string,
  { namesOf, placeOf = rowPlace }: GivenRows,
  read: ReadonlySet<string>,
): Problem {
  return absentProblem(placeOf(row), column, namesOf?.(row) ?? [], read);
}

function checkColumns(where: string, names: readonly string[], read: ReadonlySet<string>): void {
  const absent = [...read].filter((column) => !names.includes(column));
  if (absent.length > 0)
    throw new UserError(
      'data',
      absent.map((column) => absentProblem(where, column, names, read)),
    );
}

function absentProblem(where: string, column: string, names: readonly string[], read: ReadonlySet<string>): Problem {
  return {
    where,
    key: columnKey([column]),
    message: 'is missing',
    fix: meantColumn(column, names, read) ?? 'add it, as null if its value is missing, or set onMissing to oov',
  };
}

/**
 * Asks whether a column that is not read was meant to be one that is: the names are alike, one is part of the other, or
 * they are near.
 */
function meantColumn(column: string, names: readonly string[], read: ReadonlySet<string>): string | undefined {
  const plain = (name: string): string => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
  const isPart = (a: string, b: string): boolean => a.length >= MIN_PART && plain(b).includes(plain(a));
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

/** The error for rows that cannot be used: the first of them, and how many there are. */
export function badRowsError(bad: readonly BadRow[]): UserError {
  const told = bad.slice(0, MAX_TOLD).flatMap(({ problems }) => problems);
  const more = bad.length - MAX_TOLD;
  return new UserError('data', more <= 0 ? told : [...told, { message: `and ${more} more invalid rows` }]);
}

/** The name of a row in problems. */
export const rowPlace = (row: number): string => `rows[${row}]`;
/** The key of problems with some columns. */
export const columnKey = (columns: readonly string[]): string =>
  `column ${columns.map((column) => quoted(column)).join(', ')}`;
