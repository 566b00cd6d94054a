import { conditionColumns, LIMITS, type Condition, type ConditionValue, type Limit } from '../../core/conditions.js';
import { readDate } from '../../text/dates.js';
import { isDecimal } from '../../text/decimal.js';
import { quoted } from '../../core/errors.js';
import { BadValue } from '../../features/feature.js';

/** A condition, ready to look at rows. */
export interface CompiledCondition {
  /** The columns that it looks at. */
  readonly columns: readonly string[];
  /**
   * Whether it holds of a row.
   * @param cells of its columns, in their order
   * @returns undefined where a blank cell leaves it open, as in SQL: comparisons with a blank do, and what stands on
   * them, unless other cells decide
   * @throws BadValue for a cell that cannot be compared, unless other cells decide
   */
  holds(cells: readonly string[]): boolean | undefined;
}

type Holds = CompiledCondition['holds'];

/**
 * Compiles a condition.
 * @param isBlank whether a cell holds nothing; an empty one alone where it is not given
 */
export function compileCondition(
  condition: Condition,
  isBlank: (cell: string) => boolean = (cell) => cell === '',
): CompiledCondition {
  const columns = conditionColumns(condition);
  return { columns, holds: compile(condition, columns, isBlank) };
}

function compile(condition: Condition, columns: readonly string[], isBlank: (cell: string) => boolean): Holds {
  const { column, all, any: some, not } = condition;
  const each = (conditions: readonly Condition[]): readonly Holds[] =>
    conditions.map((other) => compile(other, columns, isBlank));
  if (all !== undefined) return decided(each(all), false);
  if (some !== undefined) return decided(each(some), true);
  if (not !== undefined) {
    const holds = compile(not, columns, isBlank);
    return (cells) => {
      const found = holds(cells);
      return found === undefined ? undefined : !found;
    };
  }
  const at = columns.indexOf(column!);
  if (condition.isNull !== undefined) return (cells) => isBlank(cells[at]!) === condition.isNull;
  // What is found is told of all columns together.
  const tests = testsOf(condition, columns.length > 1 ? ` in column '${column!}'` : '');
  return (cells) => (isBlank(cells[at]!) ? undefined : tests.every((test) => test(cells[at]!)));
}

/**
 * One that decides does so whatever the others are, in any order; else what cannot be compared is bad, and one that is
 * open leaves all open (Kleene).
 */
function decided(conditions: readonly Holds[], by: boolean): Holds {
  return (cells) => {
    let isOpen = false;
    let bad: BadValue | undefined;
    for (const holds of conditions) {
      try {
        const found = holds(cells);
        if (found === by) return by;
        if (found === undefined) isOpen = true;
      } catch (error) {
        if (!(error instanceof BadValue)) throw error;
        bad ??= error;
      }
    }
    if (bad !== undefined) throw bad;
    return isOpen ? undefined : !by;
  };
}

type Test = (cell: string) => boolean;

function testsOf(condition: Condition, place: string): readonly Test[] {
  const values = condition.oneOf ?? [];
  return [
    ...(typeof condition.equals === 'boolean' ? [truthTest(place, condition.equals)] : []),
    ...(condition.equals === undefined ? [] : [equality(condition.equals)]),
    ...(values.every((value) => typeof value === 'boolean') && values.length > 0 ? [truthTest(place, values[0]!)] : []),
    ...(values.length === 0 ? [] : [anyOf(values.map(equality))]),
    ...LIMITS.flatMap((word) => (condition[word] === undefined ? [] : [comparison(word, condition[word], place)])),
  ];
}

const anyOf =
  (tests: readonly Test[]): Test =>
  (cell) =>
    tests.some((test) => test(cell));

/** What programs write for true and false. */
const TRUTHS = { true: ['true', 'True', 'TRUE', '1'], false: ['false', 'False', 'FALSE', '0'] } as const;

/**
 * Refuses cells that are neither true nor false if nothing else is compared: a condition that holds nowhere would be
 * taken for labels of 0.
 */
function truthTest(place: string, value: ConditionValue): Test {
  const bad = new BadValue(
    `true or false, or 1 or 0${place} to compare with ${quoted(value)}`,
    "compare with a value of the column, for example equals: 'yes'",
  );
  const truths: readonly string[] = [...TRUTHS.true, ...TRUTHS.false];
  return (cell) => {
    if (!truths.includes(cell)) throw bad;
    return true;
  };
}

function equality(value: ConditionValue): Test {
  if (typeof value === 'boolean') return (cell) => (TRUTHS[`${value}`] as readonly string[]).includes(cell);
  if (typeof value === 'string') return (cell) => cell === value;
  return (cell) => isDecimal(cell) && Number(cell) === value;
}

function comparison(word: (typeof LIMITS)[number], limit: Limit, place: string): Test {
  const isDate = typeof limit === 'string';
  const range = isDate ? readDate(limit)! : { begin: limit, end: limit };
  const isDay = range.end > range.begin;
  const bad = new BadValue(
    isDate
      ? `a date such as 2026-11-01 or 2026-11-01T18:30${place} to compare with ${word}: ${limit}`
      : `a number${place} to compare with ${word}: ${quoted(limit)}`,
  );
  const valueOf = isDate
    ? (cell: string) => readDate(cell)?.begin
    : (cell: string) => (isDecimal(cell) ? Number(cell) : undefined);
  const compare: (value: number) => boolean = {
    // A day has no moment behind its end.
    above: isDay ? (value: number) => value >= range.end : (value: number) => value > range.end,
    atLeast: (value: number) => value >= range.begin,
    below: (value: number) => value < range.begin,
    atMost: isDay ? (value: number) => value < range.end : (value: number) => value <= range.end,
  }[word];
  return (cell) => {
    const value = valueOf(cell);
    if (value === undefined) throw bad;
    return compare(value);
  };
}
