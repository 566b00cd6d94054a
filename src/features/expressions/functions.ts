/** Types of arguments, with their values: NaN, or an empty string, is a missing value. A date is in milliseconds. */
export interface Values {
  number: number;
  text: string;
  date: number;
  bag: ReadonlySet<string>;
}
export type Type = keyof Values;

/** Returns a value of a row. */
export type Read<T extends Type = 'number'> = (row: number) => Values[T];

/** A function or an operator: its result is a number, NaN if it is missing. */
export interface ExpressionFunction {
  /** Types of the arguments. */
  readonly parameters: readonly Type[];
  /** Whether there may be more arguments of the last type. */
  readonly isVariadic: boolean;
  readonly compile: (args: readonly Read<never>[]) => Read;
}

function define<const Types extends readonly Type[]>(
  parameters: Types,
  compile: (...args: { -readonly [I in keyof Types]: Read<Types[I]> }) => Read,
  isVariadic = false,
): ExpressionFunction {
  // The arguments are compiled as these types.
  return { parameters, isVariadic, compile: (args) => compile(...(args as unknown as Parameters<typeof compile>)) };
}

const ofOne = (compute: (x: number) => number): ExpressionFunction =>
  define(['number'], (x) => (row) => compute(x(row)));
const ofTwo = (compute: (a: number, b: number) => number): ExpressionFunction =>
  define(['number', 'number'], (a, b) => (row) => compute(a(row), b(row)));
const ofMany = (compute: (a: number, b: number) => number): ExpressionFunction =>
  define(
    ['number', 'number'],
    (...args) =>
      (row) =>
        args.reduce((result, each, i) => (i === 0 ? each(row) : compute(result, each(row))), NaN),
    true,
  );
/** A comparison is 1 or 0; missing if either side is. */
const comparison = (compare: (a: number, b: number) => boolean): ExpressionFunction =>
  ofTwo((a, b) => (Number.isNaN(a) || Number.isNaN(b) ? NaN : Number(compare(a, b))));
const textComparison = (isEqual: boolean): ExpressionFunction =>
  define(['text', 'text'], (a, b) => (row) => {
    const [left, right] = [a(row), b(row)];
    return left === '' || right === '' ? NaN : Number((left === right) === isEqual);
  });
const timeBetween = (milliseconds: number): ExpressionFunction =>
  define(['date', 'date'], (later, earlier) => (row) => (later(row) - earlier(row)) / milliseconds);

/**
 * The result of `and` is 0 if one side is 0, and the result of `or` is 1 if one side is not, even if the other is
 * missing.
 */
const and = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : Number.isNaN(a + b) ? NaN : 1);
const not = (x: number): number => (Number.isNaN(x) ? NaN : Number(x === 0));

function countShared(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let shared = 0;
  for (const item of a) if (b.has(item)) shared++;
  return shared;
}

/** Operators between texts, after the operators of the same sign between numbers. */
export const TEXT_OPERATORS = {
  'text ==': textComparison(true),
  'text !=': textComparison(false),
};

/** Operators by their sign. */
export const OPERATORS = {
  '+': ofTwo((a, b) => a + b),
  '-': ofTwo((a, b) => a - b),
  '*': ofTwo((a, b) => a * b),
  '/': ofTwo((a, b) => (b === 0 ? NaN : a / b)),
  '<': comparison((a, b) => a < b),
  '<=': comparison((a, b) => a <= b),
  '>': comparison((a, b) => a > b),
  '>=': comparison((a, b) => a >= b),
  '==': comparison((a, b) => a === b),
  '!=': comparison((a, b) => a !== b),
  and: ofTwo(and),
  or: ofTwo((a, b) => not(and(not(a), not(b)))),
  not: ofOne(not),
  negate: ofOne((x) => -x),
};

/** Functions by their name. */
export const FUNCTIONS = {
  log: ofOne((x) => (x > 0 ? Math.log(x) : NaN)),
  log1p: ofOne((x) => (x > -1 ? Math.log1p(x) : NaN)),
  sqrt: ofOne(Math.sqrt),
  abs: ofOne(Math.abs),
  min: ofMany(Math.min),
  max: ofMany(Math.max),
  clip: define(
    ['number', 'number', 'number'],
    (x, low, high) => (row) => Math.min(Math.max(x(row), low(row)), high(row)),
  ),
  if: define(['number', 'number', 'number'], (condition, yes, no) => (row) => {
    const holds = condition(row);
    if (Number.isNaN(holds)) return NaN;
    return holds === 0 ? no(row) : yes(row);
  }),
  missing: ofOne((x) => Number(Number.isNaN(x))),
  coalesce: ofMany((a, b) => (Number.isNaN(a) ? b : a)),
  seconds: timeBetween(1000),
  hours: timeBetween(3_600_000),
  days: timeBetween(86_400_000),
  size: define(['bag'], (bag) => (row) => bag(row).size),
  overlap: define(['bag', 'bag'], (a, b) => (row) => countShared(a(row), b(row))),
  jaccard: define(['bag', 'bag'], (a, b) => (row) => {
    const shared = countShared(a(row), b(row));
    const total = a(row).size + b(row).size - shared;
    return total === 0 ? NaN : shared / total;
  }),
};

/** All functions and operators. */
export const DEFINITIONS = { ...TEXT_OPERATORS, ...OPERATORS, ...FUNCTIONS };
export type FunctionName = keyof typeof DEFINITIONS;

/** Returns whether a table has an entry of a name. */
export function isNameIn<Table extends object>(table: Table, name: PropertyKey): name is keyof Table {
  return Object.hasOwn(table, name);
}
