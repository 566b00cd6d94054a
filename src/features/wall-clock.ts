import { BadValue } from './feature.js';
import { parseNumber } from './parse.js';

/** How the cells of a point in time are written. */
export const TIME_FORMATS = ['iso', 'seconds', 'milliseconds'] as const;
export type TimeFormat = (typeof TIME_FORMATS)[number];

/** What a calendar and a clock on the wall show. */
export interface WallClock {
  /** From 1 on. */
  readonly month: number;
  readonly day: number;
  /** From 1, Monday, to 7. */
  readonly weekday: number;
  /** Undefined where a cell is a date alone. */
  readonly hour: number | undefined;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/**
 * Seconds of today have ten digits, milliseconds thirteen; either is no year of anybody's log in the place of the
 * other.
 */
const LATEST_SECONDS = 1e11;
const [FIRST_LIKE_SECONDS, LAST_LIKE_SECONDS] = [1e9, 1e10];
const LATEST = LATEST_SECONDS * 1000;

// ISO 8601, its extended form and the basic one of a date; the time behind T or a space, with or without a zone.
const ISO =
  /^(\d{4})(?:-(\d\d)-(\d\d)|(\d\d)(\d\d))(?:[T ](\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,]\d+)?)?)? ?(Z|UTC|[+-]\d\d(?::?\d\d)?)?)?$/;

const NO_DATE = new BadValue('a date as 2026-11-30, or a date and a time as 2026-11-30T18:05:00');
const BAD_DATE = new BadValue('a day and a time that there are');
const NO_NUMBER_OF: Readonly<Record<Exclude<TimeFormat, 'iso'>, BadValue>> = {
  seconds: new BadValue(
    'seconds since 1970, a number',
    'correct the row, or leave format out where cells are dates as 2026-11-30',
  ),
  milliseconds: new BadValue(
    'milliseconds since 1970, a number',
    'correct the row, or leave format out where cells are dates as 2026-11-30',
  ),
};
const IS_SECONDS = new BadValue('milliseconds since 1970', 'these look like seconds: take format: seconds');
const IS_MILLISECONDS = new BadValue('seconds since 1970', 'these look like milliseconds: take format: milliseconds');
const IS_A_NUMBER = (unit: TimeFormat): BadValue =>
  new BadValue(NO_DATE.expected, `these look like ${unit} since 1970: take format: ${unit}`);

/**
 * The way from a cell to what a clock in a time zone shows. A time with a zone of its own (or one that counts from
 * 1970) is shown as it was
 * in `timeZone`; a time without one was written down there.
 * @returns a function that throws BadValue
 */
export function wallClockReader(format: TimeFormat, timeZone: string): (text: string) => WallClock {
  const offsetAt = zoneOffsets(timeZone);
  const read =
    format === 'iso' ? (text: string) => readIso(text, offsetAt) : (text: string) => readCount(text, format, offsetAt);
  // The parts of one cell are asked for one after the other.
  let last: { readonly text: string; readonly shown: WallClock } | undefined;
  return (text) => {
    if (last?.text !== text) last = { text, shown: read(text) };
    return last.shown;
  };
}

/** Whether a name is one of a time zone: of IANA's database, or an offset as +02:00. */
export function isTimeZone(name: string): boolean {
  if (OFFSET.test(name)) return true;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

const OFFSET = /^[+-]\d\d(?::?\d\d)?$/;

function readIso(text: string, offsetAt: (instant: number) => number): WallClock {
  const found = ISO.exec(text);
  if (found === null)
    throw /^\d{10}$/.test(text)
      ? IS_A_NUMBER('seconds')
      : /^\d{13}$/.test(text)
        ? IS_A_NUMBER('milliseconds')
        : NO_DATE;
  const [, year, month = found[4], day = found[5], , , hour, minute = '0', second = '0', zone] = found;
  const midnight = utc(Number(year), Number(month), Number(day));
  if (hour === undefined) return shown(midnight, false);
  // A minute may have a second more, which no clock of a computer shows.
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) throw BAD_DATE;
  const written = midnight + Number(hour) * HOUR + Number(minute) * MINUTE + Math.min(59, Number(second)) * 1000;
  if (zone === undefined) return shown(written, true);
  const instant = written - offsetOf(zone);
  return shown(instant + offsetAt(instant), true);
}

function readCount(text: string, unit: Exclude<TimeFormat, 'iso'>, offsetAt: (instant: number) => number): WallClock {
  let count: number;
  try {
    count = parseNumber(text);
  } catch {
    throw NO_NUMBER_OF[unit];
  }
  if (unit === 'seconds' && Math.abs(count) >= LATEST_SECONDS) throw IS_MILLISECONDS;
  if (unit === 'milliseconds' && count >= FIRST_LIKE_SECONDS && count < LAST_LIKE_SECONDS) throw IS_SECONDS;
  const instant = unit === 'seconds' ? count * 1000 : count;
  if (Math.abs(instant) >= LATEST) throw BAD_DATE;
  return shown(instant + offsetAt(instant), true);
}

/** The midnight with which a day begins. @throws BadValue for a day that there is not */
function utc(year: number, month: number, day: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) throw BAD_DATE;
  return date.getTime();
}

/** What is shown at a time that is counted as if there were no zones. */
function shown(local: number, hasTime: boolean): WallClock {
  const date = new Date(local);
  return {
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    weekday: ((date.getUTCDay() + 6) % 7) + 1,
    hour: hasTime ? date.getUTCHours() : undefined,
  };
}

/** The milliseconds of an offset as +02:00; 0 for a zone that is written otherwise, as Z. */
function offsetOf(zone: string): number {
  const [, sign, hours = '0', minutes = '0', seconds = '0'] =
    /^([+-])(\d\d?)(?::?(\d\d))?(?::?(\d\d))?$/.exec(zone) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours) * HOUR + Number(minutes) * MINUTE + Number(seconds) * 1000);
}

/**
 * By how many milliseconds a zone's clocks are ahead of UTC's, at an instant. Zones change that at whole quarters of an
 * hour.
 */
function zoneOffsets(timeZone: string): (instant: number) => number {
  if (timeZone === 'UTC') return () => 0;
  if (OFFSET.test(timeZone)) return () => offsetOf(timeZone);
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
  const known = new Map<number, number>();
  /** Of GMT, GMT+05:30 or GMT-04:56:02, what stands behind GMT. */
  const find = (instant: number): number =>
    offsetOf(
      format
        .formatToParts(instant)
        .find(({ type }) => type === 'timeZoneName')!
        .value.slice(3),
    );
  return (instant) => {
    const quarter = Math.floor(instant / (15 * MINUTE));
    let offset = known.get(quarter);
    if (offset === undefined) known.set(quarter, (offset = find(quarter * 15 * MINUTE)));
    return offset;
  };
}
