import type { CellRule } from '../../features/cell-rule.js';
import { checked, emitNumbers, type Cells } from './cells.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';

type TimeRule = Extract<CellRule, { readonly kind: 'time' }>;

const [SECOND, MINUTE, HOUR, DAY] = [1000, 60_000, 3_600_000, 86_400_000];
/** Days from March 1 of year 0 to 1970, and per 400 years. */
const [DAYS_TO_1970, DAYS_OF_ERA] = [719_468, 146_097];
/** ISO 8601 dates and times in extended format, in UTC or without a zone. */
const ISO =
  '[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])' +
  '(?:[T ](?:[01][0-9]|2[0-3])(?::[0-5][0-9](?::(?:[0-5][0-9]|60)(?:[.,][0-9]+)?)?)?Z?)?';
const ANY_ISO = '1970-01-01T00:00:00Z';
/** As in wall-clock.ts: values beyond are likely to be in the other unit. */
const [LATEST, FIRST_LIKE_SECONDS, LAST_LIKE_SECONDS] = [1e14, 1e9, 1e10];

/** Integer arithmetic in a graph, with floor division. */
interface Arithmetic {
  plus(x: string, y: string | number): string;
  times(x: string, factor: number): string;
  over(x: string, divisor: number): string;
  modulo(x: string, divisor: number): string;
}

/** Returns the milliseconds that a zone is ahead of UTC; undefined if its offset changes. */
export function fixedOffset(timeZone: string): number | undefined {
  if (timeZone === 'UTC') return 0;
  const [, sign, hours, minutes = '0'] = /^([+-])(\d\d):?(\d\d)?$/.exec(timeZone) ?? [];
  return sign === undefined ? undefined : (sign === '-' ? -1 : 1) * (Number(hours) * HOUR + Number(minutes) * MINUTE);
}

/** Emits table rows of timestamps, in local time of the rule's zone. */
export function emitTime({ part, format, timeZone }: TimeRule, cells: Cells): string {
  const math = createArithmetic(cells.onnx);
  const local =
    format === 'iso'
      ? emitIso(cells, math, fixedOffset(timeZone)!, part === 'hour')
      : emitCount(cells, format, fixedOffset(timeZone)!);
  const ofDay = math.modulo(local, DAY);
  const days = math.over(local, DAY);
  if (part === 'hour') return math.plus(math.over(ofDay, HOUR), 1);
  // January 1, 1970 was a Thursday.
  if (part === 'weekday') return math.plus(math.modulo(math.plus(days, 3), 7), 1);
  const { month, day } = emitMonthAndDay(cells.onnx, math, days);
  return part === 'month' ? month : day;
}

/** Emits milliseconds since 1970 for values in milliseconds or seconds. */
function emitCount(cells: Cells, unit: string, offset: number): string {
  const { onnx, field, isEmpty } = cells;
  const count = emitNumbers(cells);
  const double = (value: number): string => onnx.number(value, 'double');
  const instant = unit === 'seconds' ? onnx.node('Mul', [count, double(SECOND)]) : count;
  const isNear = onnx.node('Less', [onnx.node('Abs', [instant]), double(LATEST)]);
  const isLikeSeconds = onnx.node('And', [
    onnx.node('GreaterOrEqual', [count, double(FIRST_LIKE_SECONDS)]),
    onnx.node('Less', [count, double(LAST_LIKE_SECONDS)]),
  ]);
  const isOfUnit = unit === 'seconds' ? isNear : onnx.node('And', [isNear, onnx.node('Not', [isLikeSeconds])]);
  const known = checked(onnx, instant, 'double', onnx.node('Or', [isEmpty, isOfUnit]), `${field}: ${unit} since 1970`);
  return onnx.node('Cast', [onnx.node('Add', [known, double(offset)])], { to: ELEMENT_TYPES.int64 });
}

/** Emits milliseconds since 1970 in local time, for ISO dates. */
function emitIso({ onnx, field, texts, isEmpty }: Cells, math: Arithmetic, offset: number, needsTime: boolean): string {
  const matches = onnx.node('RegexFullMatch', [texts], { pattern: ISO });
  const safe = onnx.node('Where', [matches, texts, onnx.text(ANY_ISO)]);
  // With separators appended, all parts exist, but may be empty.
  const split = (text: string, delimiter: string, count: number): readonly string[] => {
    const [parts] = onnx.nodeOf(
      undefined,
      'StringSplit',
      [onnx.node('StringConcat', [text, onnx.text(delimiter.repeat(count - 1))])],
      { delimiter },
      2,
    );
    return Array.from({ length: count }, (_, position) =>
      onnx.node('Gather', [parts!, onnx.number(position, 'int64')], { axis: 1 }),
    );
  };
  const whole = (text: string): string =>
    onnx.node('Cast', [onnx.node('Where', [onnx.node('Equal', [text, onnx.text('')]), onnx.text('0'), text])], {
      to: ELEMENT_TYPES.int64,
    });
  const [year, month, rest] = split(safe, '-', 3);
  const [dayAndMore, behindT] = split(rest!, 'T', 2);
  const [day, behindSpace] = split(dayAndMore!, ' ', 2);
  const [time] = split(onnx.node('StringConcat', [behindT!, behindSpace!]), 'Z', 2);
  const [hour, minute, second] = split(time!, ':', 3);
  const [beforeComma] = split(second!, ',', 2);
  const [wholeSecond] = split(beforeComma!, '.', 2);

  const days = emitDays(onnx, math, whole(year!), whole(month!), whole(day!));
  const found = emitMonthAndDay(onnx, math, days);
  const isDay = onnx.node('Equal', [found.day, whole(day!)]);
  const hasTime = onnx.node('Not', [onnx.node('Equal', [time!, onnx.text('')])]);
  const isGood = [matches, isDay, ...(needsTime ? [hasTime] : [])].reduce((all, each) => onnx.node('And', [all, each]));
  const ofDay = math.plus(
    math.plus(math.times(whole(hour!), HOUR), math.times(whole(minute!), MINUTE)),
    math.times(onnx.node('Min', [whole(wholeSecond!), onnx.number(59, 'int64')]), SECOND),
  );
  const written = math.plus(math.times(days, DAY), ofDay);
  const isUtc = onnx.node('RegexFullMatch', [safe], { pattern: '(?s).*Z' });
  const local =
    offset === 0
      ? written
      : math.plus(written, onnx.node('Where', [isUtc, onnx.number(offset, 'int64'), onnx.number(0, 'int64')]));
  return checked(
    onnx,
    local,
    'int64',
    onnx.node('Or', [isEmpty, isGood]),
    `${field}: ${needsTime ? 'a date and a time' : 'a date'} such as ` +
      `2026-11-30${needsTime ? 'T18:05:00' : ''}, without a zone or in UTC`,
  );
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
function emitMonthAndDay(
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

function createArithmetic(onnx: OnnxGraph): Arithmetic {
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
