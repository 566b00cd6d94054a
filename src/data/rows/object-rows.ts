import { didYouMean, quoted, userError, UserError, type Problem } from '../../errors.js';
import type { BadCell, Cell } from './encode-values.js';

/**
 * A row as a program has it: its cells by column. A column that is not there is a blank cell; those that nobody reads are left alone.
 * The cells of an object in it stand behind its key and a dot, as in JSON Lines: `user.id`.
 */
export interface Row {
  readonly [column: string]: Cell | Row;
}

/** Rows as a program has them as columns: lists, or typed arrays of numbers. */
export type Columns = Readonly<Record<string, ArrayLike<Cell>>>;

/** A row that cannot be used, and why. */
export interface BadRow {
  /** Its number among the rows that were given, from 0 on. */
  readonly row: number;
  /** Whether its cells cannot be used, or its predictions are not finite. */
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
  /** What a row is called; its number among the rows where it is left out. */
  placeOf?(row: number): string;
}

/** Rows that an error names. */
const MAX_TOLD = 10;

/**
 * Rows that are objects.
 * @throws UserError (data) for what are none
 */
export function rowsOfObjects(rows: readonly Row[]): GivenRows {
  const given: unknown = rows;
  if (!Array.isArray(given)) throw userError('data', { where: 'rows', message: `expected a list of rows, found ${quoted(given)}`, fix: 'give a single row as [row]' });
  for (const [row, value] of (given as unknown[]).entries()) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw userError('data', { where: rowPlace(row), message: `expected an object with a cell a column, found ${quoted(value)}` });
  }
  return {
    count: rows.length,
    cellsOf(column) {
      if (column.includes('.')) return (row) => nestedCell(rows[row]!, column);
      // What every object inherits is no cell.
      return column in Object.prototype ? (row) => (Object.hasOwn(rows[row]!, column) ? rows[row]![column] : undefined) : (row) => rows[row]![column];
    },
    namesOf: (row) => Object.keys(rows[row]!),
  };
}

/** The cell that stands at a path of keys, which may have dots themselves; the shortest first key that leads to one. */
function nestedCell(row: Row, column: string): unknown {
  if (Object.hasOwn(row, column)) return row[column];
  for (let dot = column.indexOf('.'); dot >= 0; dot = column.indexOf('.', dot + 1)) {
    const key = column.slice(0, dot);
    const inner = Object.hasOwn(row, key) ? row[key] : undefined;
    // What else is an object has no keys that are columns.
    const cell = typeof inner === 'object' && inner !== null ? nestedCell(inner as Row, column.slice(dot + 1)) : undefined;
    if (cell !== undefined) return cell;
  }
  return undefined;
}

/**
 * Rows that lie as columns.
 * @throws UserError (data) for columns of several lengths
 */
export function rowsOfColumns(columns: Columns): GivenRows {
  const entries = Object.entries(columns);
  const count = entries[0]?.[1].length ?? 0;
  for (const [name, cells] of entries) {
    if (cells.length !== count) throw userError('data', { where: 'columns', key: columnKey([name]), message: `has ${cells.length} cells, and ${columnKey([entries[0]![0]])} has ${count}`, fix: 'give every column one cell a row' });
  }
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
export function problemOfCell({ row, columns, value, expected, cure }: BadCell, { namesOf, placeOf = rowPlace }: GivenRows, read: ReadonlySet<string>): Problem {
  const names = namesOf?.(row) ?? [];
  const others = names.filter((name) => !read.has(name));
  const hint = columns.filter((column) => !names.includes(column)).map((column) => didYouMean(column, others)).find((each) => each !== undefined);
  const isBlank = value === undefined || value === null;
  // What a config could say of blanks is past: the model is trained.
  const fix = hint ?? (isBlank ? 'give the row this column' : (cure ?? 'correct the row, or leave it out by onBadRow'));
  return { where: placeOf(row), key: columnKey(columns), message: `expected ${expected}, found ${quoted(value)}`, fix };
}

/** The error for rows that cannot be used: the first of them, and how many there are. */
export function badRowsError(bad: readonly BadRow[]): UserError {
  const told = bad.slice(0, MAX_TOLD).flatMap(({ problems }) => problems);
  const more = bad.length - MAX_TOLD;
  return new UserError('data', more <= 0 ? told : [...told, { message: `and ${more} more bad rows` }]);
}

/** The name of a row in problems. */
export const rowPlace = (row: number): string => `rows[${row}]`;
/** The key of problems with some columns. */
export const columnKey = (columns: readonly string[]): string => `column ${columns.map((column) => quoted(column)).join(', ')}`;
