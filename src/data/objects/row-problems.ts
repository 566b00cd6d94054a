import type { RowProblem } from '../../chunks/chunk.js';
import type { Batch } from '../../core/batch.js';
import { quoted, UserError, type Problem } from '../../core/errors.js';
import { findNonFinite } from '../../core/tensor.js';
import type { EncodedField } from '../../features/feature.js';
import { absentProblems, columnKey, suggestColumn, type GivenRows } from './given-rows.js';

/** An invalid row with its problems. */
export interface InvalidRow {
  /** 0-based index of the row in the given rows. */
  readonly row: number;
  /** Cause: invalid values (input), or a prediction that is not finite. */
  readonly source: 'input' | 'prediction';
  readonly problems: readonly Problem[];
}

/** Fields that all rows share. */
interface CommonFields {
  readonly batch: Batch;
  readonly fields: readonly EncodedField[];
}

/** Predictions of an output for all rows. */
interface Output {
  readonly name: string;
  readonly values: Float32Array;
}

/** Maximum number of rows that an error lists. */
const MAX_LISTED_ROWS = 10;
/** Minimum magnitude of an encoded number that explains a prediction that is not finite. */
const MIN_SUSPECT = 1e6;

/** Problems of rows that are encoded for some fields. */
export class RowProblems {
  readonly #fields: readonly EncodedField[];
  readonly #given: GivenRows;
  readonly #read: ReadonlySet<string>;
  readonly #invalid = new Map<number, InvalidRow>();
  readonly #absent = new Map<number, Set<string>>();

  /** @param read columns of all fields of the rows, also of those that are encoded elsewhere */
  constructor(fields: readonly EncodedField[], given: GivenRows, read: ReadonlySet<string>) {
    this.#fields = fields;
    this.#given = given;
    this.#read = read;
  }

  /** Adds a column that a row lacks. */
  addAbsent(row: number, column: string): void {
    this.#absent.set(row, (this.#absent.get(row) ?? new Set()).add(column));
  }

  /** Adds a problem of a field, unless the row lacks one of its columns. */
  addInvalid(row: number, field: EncodedField, { columns = field.columns, error }: RowProblem): void {
    if (field.columns.some((column) => this.#absent.get(row)?.has(column) === true)) return;
    const { expected, cure = 'correct the row, or skip it with onInvalidRow or ?onBadRow=skip' } = error;
    const values = columns.map((column) => this.#given.valuesOf(column)(row));
    const value = values.length === 1 ? values[0] : values;
    const meant = value === undefined ? suggestColumn(columns[0]!, this.#given.namesOf(row), this.#read) : undefined;
    // The cure of a missing value is an option of training.
    const fix = meant ?? (value === undefined || value === null ? 'add this column to the row' : cure);
    const where = this.#given.placeOf(row);
    this.#add(row, { where, key: columnKey(columns), message: `expected ${expected}, found ${quoted(value)}`, fix });
  }

  /**
   * Adds valid rows of a batch without finite predictions.
   * @param begin index of the batch's first row
   * @param common fields that all rows share, in a batch of one row
   */
  addNonFinite(outputs: readonly Output[], batch: Batch, begin: number, common?: CommonFields): void {
    if (outputs.every(({ values }) => findNonFinite(values, begin, begin + batch.rows) < 0)) return;
    for (let row = begin; row < begin + batch.rows; row++) {
      const nonFinite = outputs.filter(({ values }) => !Number.isFinite(values[row]));
      if (nonFinite.length === 0 || this.#invalid.has(row) || this.#absent.has(row)) continue;
      const suspect =
        findLargestNumber(batch, row - begin, this.#fields) ??
        (common && findLargestNumber(common.batch, 0, common.fields));
      this.#invalid.set(row, {
        row,
        source: 'prediction',
        problems: [nonFiniteProblem(row, nonFinite, this.#given, suspect)],
      });
    }
  }

  /** Returns the invalid rows so far, in order. */
  list(): readonly InvalidRow[] {
    const rows = [...new Set([...this.#absent.keys(), ...this.#invalid.keys()])].sort((a, b) => a - b);
    return rows.map((row) => {
      const { source = 'input', problems = [] } = this.#invalid.get(row) ?? {};
      return { row, source, problems: [...this.#listAbsent(row), ...problems] };
    });
  }

  /** Lists the problems of the columns that a row lacks. */
  #listAbsent(row: number): readonly Problem[] {
    const columns = [...(this.#absent.get(row) ?? [])];
    const where = this.#given.placeOf(row);
    const known = new Map(columns.map((column) => [column, this.#given.absentProblem?.(row, column)]));
    // Columns of one log share a problem, which names the column that its events require.
    const reasons = [...new Set(known.values())].flatMap((problem) => (problem ? [{ where, ...problem }] : []));
    const isExplained = (column: string): boolean =>
      known.get(column) !== undefined || reasons.some(({ key }) => key === columnKey([column]));
    const unexplained = columns.filter((column) => !isExplained(column));
    return [...reasons, ...absentProblems(where, unexplained, this.#given.namesOf(row), this.#read)];
  }

  #add(row: number, problem: Problem): void {
    const known = this.#invalid.get(row)?.problems ?? [];
    // Several fields may read the same column, and those of a sequence have the problems of all their lists.
    if (known.some(({ key, message }) => key === problem.key && message === problem.message)) return;
    this.#invalid.set(row, { row, source: 'input', problems: [...known, problem] });
  }
}

function nonFiniteProblem(
  row: number,
  outputs: readonly Output[],
  given: GivenRows,
  suspect: readonly string[] | undefined,
): Problem {
  const values = new Set(outputs.map((output) => output.values[row]));
  const found = suspect?.map((column) => quoted(given.valuesOf(column)(row))).join(', ');
  return {
    where: given.placeOf(row),
    key: `output ${outputs.map(({ name }) => quoted(name)).join(', ')}`,
    message: `expected a finite prediction, found ${[...values].join(', ')}`,
    fix:
      suspect === undefined
        ? 'retrain the model with a lower learning rate'
        : `correct ${columnKey(suspect)}: ${found} is too large`,
  };
}

/**
 * Finds the columns of the largest encoded number of a row; undefined if none is large enough to explain a prediction
 * that is not finite.
 */
export function findLargestNumber(
  batch: Batch,
  row: number,
  fields: readonly EncodedField[],
): readonly string[] | undefined {
  let found: readonly string[] | undefined;
  let largest = MIN_SUSPECT;
  for (const { name, columns } of fields) {
    const each = batch.columns.get(name);
    if (each?.type !== 'f32') continue;
    const { data, width } = each;
    for (const value of data.slice(row * width, (row + 1) * width)) {
      if (!(Math.abs(value) >= largest)) continue;
      [largest, found] = [Math.abs(value), columns];
    }
  }
  return found;
}

/** Lists the distinct problems of rows: those that rows share are listed once. */
export function listProblems(bad: readonly InvalidRow[]): readonly Problem[] {
  return [...new Set(bad.flatMap(({ problems }) => problems))];
}

/** Creates the error for invalid rows: the problems of the first ones, and the number of others with further ones. */
export function badRowsError(bad: readonly InvalidRow[]): UserError {
  const known = new Set<Problem>();
  const distinct = bad.filter(({ problems }) => {
    const isNew = problems.some((problem) => !known.has(problem));
    for (const problem of problems) known.add(problem);
    return isNew;
  });
  const listed = listProblems(distinct.slice(0, MAX_LISTED_ROWS));
  const more = distinct.length - MAX_LISTED_ROWS;
  return new UserError('data', more <= 0 ? listed : [...listed, { message: `and ${more} more invalid rows` }]);
}
