import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';

/** Milliseconds of units of time. */
export const [SECOND, MINUTE, HOUR, DAY] = [1000, 60_000, 3_600_000, 86_400_000];
/** Days from March 1 of year 0 to 1970, and per 400 years. */
const [DAYS_TO_1970, DAYS_OF_ERA] = [719_468, 146_097];

/** Integer arithmetic in a graph, with floor division. */
export interface Arithmetic {
  plus(x: string, y: string | number): string;
  times(x: string, factor: number): string;
  over(x: string, divisor: number): string;
  modulo(x: string, divisor: number): string;
}

/** Parts of dates, as strings; empty if a date lacks them. */
export interface DateParts {
  readonly year: string;
  readonly month: string;
  readonly day: string;
  readonly hour: string;
  readonly minute: string;
  readonly second: string;
  /** Digits after the decimal separator of the second. */
  readonly fraction: string;
  /** UTC offset after its sign. */
  readonly east: string;
  readonly west: string;
}

/** Emits the parts of dates in the extended format of ISO 8601. */
export function splitDates(onnx: OnnxGraph, texts: string): DateParts {
  // With separators appended, all parts exist, but may be empty.
  const split = (text: string, delimiter: string, count: number): ((part: number) => string) => {
    const padded = onnx.node('StringConcat', [text, onnx.text(delimiter.repeat(count - 1))]);
    const [parts] = onnx.nodeOf(undefined, 'StringSplit', [padded], { delimiter }, 2);
    return (part) => onnx.node('Gather', [parts!, onnx.number(part, 'int64')], { axis: -1 });
  };
  const joined = (first: string, second: string): string => onnx.node('StringConcat', [first, second]);
  const written = split(texts, '-', 4);
  const afterT = split(written(2), 'T', 2);
  const afterSpace = split(afterT(0), ' ', 2);
  const local = split(joined(afterT(1), afterSpace(1)), '+', 2);
  const clock = split(split(local(0), 'Z', 2)(0), ':', 3);
  const afterComma = split(clock(2), ',', 2);
  const afterDot = split(afterComma(0), '.', 2);
  return {
    year: written(0),
    month: written(1),
    day: afterSpace(0),
    hour: clock(0),
    minute: clock(1),
    second: afterDot(0),
    // Getters, since a model has only nodes that it reads.
    get fraction() {
      return joined(afterComma(1), afterDot(1));
    },
    get east() {
      return local(1);
    },
    get west() {
      return written(3);
    },
  };
}

/** Emits integers of strings; 0 for empty ones. */
export function emitIntegers(onnx: OnnxGraph, texts: string): string {
  const isNone = onnx.node('Equal', [texts, onnx.text('')]);
  return onnx.node('Cast', [onnx.node('Where', [isNone, onnx.text('0'), texts])], { to: ELEMENT_TYPES.int64 });
}

/** Emits days since 1970 of dates, and which of them exist. */
export function emitExistingDays(
  onnx: OnnxGraph,
  math: Arithmetic,
  parts: Pick<DateParts, 'year' | 'month' | 'day'>,
): { readonly days: string; readonly exists: string } {
  const day = emitIntegers(onnx, parts.day);
  const days = emitDays(onnx, math, emitIntegers(onnx, parts.year), emitIntegers(onnx, parts.month), day);
  return { days, exists: onnx.node('Equal', [emitMonthAndDay(onnx, math, days).day, day]) };
}

/**
 * Emits days since 1970 (Hinnant, 'chrono-Compatible Low-Level Date Algorithms': years begin in March, so that leap
 * days end them).
 */
function emitDays(onnx: OnnxGraph, math: Arithmetic, year: string, month: string, day: string): string {
  const int = (value: number): string => onnx.number(value, 'int64');
  const isEarly = onnx.node('LessOrEqual', [month, int(2)]);
  const marchYear = onnx.node('Add', [year, onnx.node('Where', [isEarly, int(-1), int(0)])]);
  const ofEra = math.modulo(marchYear, 400);
  const fromMarch = onnx.node('Add', [month, onnx.node('Where', [isEarly, int(9), int(-3)])]);
  const ofYear = math.plus(math.plus(math.over(math.plus(math.times(fromMarch, 153), 2), 5), day), -1);
  const leapDays = math.plus(math.over(ofEra, 4), math.times(math.over(ofEra, 100), -1));
  const ofEraDays = math.plus(math.plus(math.times(ofEra, 365), leapDays), ofYear);
  return math.plus(math.plus(math.times(math.over(marchYear, 400), DAYS_OF_ERA), ofEraDays), -DAYS_TO_1970);
}

/** Emits month (from 1) and day, the inverse of `emitDays`. */
export function emitMonthAndDay(
  onnx: OnnxGraph,
  math: Arithmetic,
  days: string,
): { readonly month: string; readonly day: string } {
  const int = (value: number): string => onnx.number(value, 'int64');
  const minus = (x: string, y: string): string => math.plus(x, math.times(y, -1));
  const ofEra = math.modulo(math.plus(days, DAYS_TO_1970), DAYS_OF_ERA);
  const leapless = minus(
    math.plus(minus(ofEra, math.over(ofEra, 1460)), math.over(ofEra, 36_524)),
    math.over(ofEra, 146_096),
  );
  const year = math.over(leapless, 365);
  const ofYear = minus(ofEra, minus(math.plus(math.times(year, 365), math.over(year, 4)), math.over(year, 100)));
  const fromMarch = math.over(math.plus(math.times(ofYear, 5), 2), 153);
  const day = math.plus(minus(ofYear, math.over(math.plus(math.times(fromMarch, 153), 2), 5)), 1);
  const month = onnx.node('Add', [
    fromMarch,
    onnx.node('Where', [onnx.node('Less', [fromMarch, int(10)]), int(3), int(-9)]),
  ]);
  return { month, day };
}

/** Creates integer arithmetic with floor division. */
export function createArithmetic(onnx: OnnxGraph): Arithmetic {
  const value = (x: string | number): string => (typeof x === 'number' ? onnx.number(x, 'int64') : x);
  const modulo = (x: string, divisor: number): string => onnx.node('Mod', [x, value(divisor)]);
  return {
    plus: (x, y) => onnx.node('Add', [x, value(y)]),
    times: (x, factor) => onnx.node('Mul', [x, value(factor)]),
    // ONNX truncates toward 0; after subtracting the remainder, division is exact.
    over: (x, divisor) => onnx.node('Div', [onnx.node('Sub', [x, modulo(x, divisor)]), value(divisor)]),
    modulo,
  };
}
