import type { CellRule } from '../../features/cell-rule.js';
import {
  createArithmetic,
  DAY,
  emitExistingDays,
  emitIntegers,
  emitMonthAndDay,
  HOUR,
  MINUTE,
  SECOND,
  splitDates,
  type Arithmetic,
} from './calendar.js';
import { checked, emitNumbers, type Cells } from './cells.js';
import { ELEMENT_TYPES } from './messages.js';

type TimeRule = Extract<CellRule, { readonly kind: 'time' }>;

/** ISO 8601 dates and times in extended format, in UTC or without a zone. */
const ISO =
  '[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])' +
  '(?:[T ](?:[01][0-9]|2[0-3])(?::[0-5][0-9](?::(?:[0-5][0-9]|60)(?:[.,][0-9]+)?)?)?Z?)?';
const ANY_ISO = '1970-01-01T00:00:00Z';
/** As in wall-clock.ts: values beyond are likely to be in the other unit. */
const [LATEST, FIRST_LIKE_SECONDS, LAST_LIKE_SECONDS] = [1e14, 1e9, 1e10];

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
  const parts = splitDates(onnx, safe);
  const { hour, minute, second } = parts;
  const { days, exists } = emitExistingDays(onnx, math, parts);
  const hasTime = onnx.node('Not', [onnx.node('Equal', [hour, onnx.text('')])]);
  const isGood = [matches, exists, ...(needsTime ? [hasTime] : [])].reduce((all, each) =>
    onnx.node('And', [all, each]),
  );
  const ofDay = math.plus(
    math.plus(math.times(emitIntegers(onnx, hour), HOUR), math.times(emitIntegers(onnx, minute), MINUTE)),
    math.times(onnx.node('Min', [emitIntegers(onnx, second), onnx.number(59, 'int64')]), SECOND),
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
