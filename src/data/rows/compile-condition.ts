import { conditionColumns, LIMITS, type Condition, type ConditionValue, type Limit } from '../../core/conditions.js';
import { quoted } from '../../core/errors.js';
import { readDate } from '../../text/dates.js';
import { isDecimal } from '../../text/decimal.js';
import { InvalidValueError } from '../../text/invalid-value.js';

export interface CompiledCondition {
  /** Columns that it reads. */
  readonly columns: readonly string[];
  /**
   * Evaluates the condition on the values of its columns, in order; an empty string is a missing value.
   * @returns undefined if missing values leave the condition open, as in SQL: comparisons with them are open, and
   * combinations that other values do not decide
   * @throws InvalidValueError for a value that cannot be compared, unless other values decide
   */
  holds(cells: readonly string[]): boolean | undefined;
}

type Holds = CompiledCondition['holds'];

/** Compiles a condition to a function of the rows of a chunk. */
export function compileCondition(condition: Condition): CompiledCondition {
  const columns = conditionColumns(condition);
  return { columns, holds: compile(condition, columns) };
}

function compile(condition: Condition, columns: readonly string[]): Holds {
  const { column, all, any: some, not } = condition;
  const compileAll = (conditions: readonly Condition[]): readonly Holds[] =>
    conditions.map((each) => compile(each, columns));
  if (all !== undefined) return combine(compileAll(all), false);
  if (some !== undefined) return combine(compileAll(some), true);
  if (not !== undefined) {
    const holds = compile(not, columns);
    return (cells) => {
      const found = holds(cells);
      return found === undefined ? undefined : !found;
    };
  }
  const index = columns.indexOf(column!);
  if (condition.isNull !== undefined) return (cells) => (cells[index] === '') === condition.isNull;
  // Errors show the values of all columns together.
  const tests = createTests(condition, columns.length > 1 ? ` in column '${column!}'` : '');
  return (cells) => (cells[index] === '' ? undefined : tests.every((test) => test(cells[index]!)));
}

/**
 * Combines conditions by Kleene's logic: one that evaluates to `decisive` decides, in any order; else a value that
 * cannot be compared throws, and an open condition leaves the result open.
 */
function combine(conditions: readonly Holds[], decisive: boolean): Holds {
  return (cells) => {
    let isOpen = false;
    let invalid: InvalidValueError | undefined;
    for (const holds of conditions) {
      try {
        const found = holds(cells);
        if (found === decisive) return decisive;
        if (found === undefined) isOpen = true;
      } catch (error) {
        if (!(error instanceof InvalidValueError)) throw error;
        invalid ??= error;
      }
    }
    if (invalid !== undefined) throw invalid;
    return isOpen ? undefined : !decisive;
  };
}

/** Compares a value that is not missing. */
type Test = (cell: string) => boolean;

/** Creates the comparisons of a column, all of which must hold. */
function createTests(condition: Condition, place: string): readonly Test[] {
  const { equals, oneOf = [] } = condition;
  const sets = [equals === undefined ? [] : [equals], oneOf].filter((values) => values.length > 0);
  return [
    ...sets.map((values) => createMembership(values, place)),
    ...LIMITS.flatMap((word) =>
      condition[word] === undefined ? [] : [createComparison(word, condition[word], place)],
    ),
  ];
}

const TRUTHS = { true: ['true', 'True', 'TRUE', '1'], false: ['false', 'False', 'FALSE', '0'] } as const;

/**
 * Creates a comparison with several values. If all are booleans, other values are rejected: a comparison that never
 * holds would make all labels 0.
 */
function createMembership(values: readonly ConditionValue[], place: string): Test {
  const tests = values.map(createEquality);
  if (!values.every((value) => typeof value === 'boolean')) return (cell) => tests.some((test) => test(cell));
  const error = new InvalidValueError(
    `true or false, or 1 or 0${place} to compare with ${quoted(values[0])}`,
    "compare with a value of the column, for example equals: 'yes'",
  );
  const truths: readonly string[] = [...TRUTHS.true, ...TRUTHS.false];
  return (cell) => {
    if (!truths.includes(cell)) throw error;
    return tests.some((test) => test(cell));
  };
}

function createEquality(value: ConditionValue): Test {
  if (typeof value === 'boolean') return (cell) => (TRUTHS[`${value}`] as readonly string[]).includes(cell);
  if (typeof value === 'string') return (cell) => cell === value;
  return (cell) => isDecimal(cell) && Number(cell) === value;
}

function createComparison(word: (typeof LIMITS)[number], limit: Limit, place: string): Test {
  const isDate = typeof limit === 'string';
  const { begin, end } = isDate ? readDate(limit)! : { begin: limit, end: limit };
  const error = new InvalidValueError(
    isDate
      ? `a date such as 2026-11-01 or 2026-11-01T18:30${place} to compare with ${word}: ${limit}`
      : `a number${place} to compare with ${word}: ${quoted(limit)}`,
  );
  const parse = isDate
    ? (cell: string) => readDate(cell)?.begin
    : (cell: string) => (isDecimal(cell) ? Number(cell) : undefined);
  // A day excludes its end; a number or a time is its own end.
  const isDay = end > begin;
  const compare: (value: number) => boolean = {
    above: isDay ? (value: number) => value >= end : (value: number) => value > end,
    atLeast: (value: number) => value >= begin,
    below: (value: number) => value < begin,
    atMost: isDay ? (value: number) => value < end : (value: number) => value <= end,
  }[word];
  return (cell) => {
    const value = parse(cell);
    if (value === undefined) throw error;
    return compare(value);
  };
}
