import { z } from 'zod';
import { BadValue } from './feature.js';
import { parseNumber } from './parse.js';

/** Formats of a point in time. */
export const TIME_FORMATS = ['iso', 'seconds', 'milliseconds'] as const;
export type TimeFormat = (typeof TIME_FORMATS)[number];

/** Creates the option with the format of some values, which the description begins with. */
export function timeFormatOption(what: string) {
  return z
    .enum(TIME_FORMATS)
    .default('iso')
    .describe(`${what}: iso (2026-11-30T18:05:00+01:00), or seconds or milliseconds since 1970`);
}

/** Calendar and clock fields of a local time. */
export interface WallClock {
  /** Month of the year, from 1. */
  readonly month: number;
  readonly day: number;
  /** From 1 (Monday) to 7. */
  readonly weekday: number;
  /** Undefined for a date without a time. */
  readonly hour: number | undefined;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/**
 * Current timestamps have ten digits in seconds and thirteen in milliseconds; the wrong unit gives implausible years.
 */
const LATEST_SECONDS = 1e11;
const [FIRST_LIKE_SECONDS, LAST_LIKE_SECONDS] = [1e9, 1e10];
const LATEST = LATEST_SECONDS * 1000;

// ISO 8601: extended format, or basic for a date; the time after T or a space, with or without a zone.
const ISO =
  /^(\d{4})(?:-(\d\d)-(\d\d)|(\d\d)(\d\d))(?:[T ](\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?)? ?(Z|UTC|[+-]\d\d(?::?\d\d)?)?)?$/;

/** Thrown for a text that has no form of ISO 8601. */
export const NO_DATE = new BadValue('a date such as 2026-11-30, or a date and time such as 2026-11-30T18:05:00');
const BAD_DATE = new BadValue('an existing date and time');
const NO_NUMBER_OF: Readonly<Record<Exclude<TimeFormat, 'iso'>, BadValue>> = {
  seconds: new BadValue(
    'a number of seconds since 1970',
    'correct the row, or remove format for dates such as 2026-11-30',
  ),
  milliseconds: new BadValue(
    'a number of milliseconds since 1970',
    'correct the row, or remove format for dates such as 2026-11-30',
  ),
};
const IS_SECONDS = new BadValue('milliseconds since 1970', 'the value looks like seconds; set format: seconds');
const IS_MILLISECONDS = new BadValue(
  'seconds since 1970',
  'the value looks like milliseconds; set format: milliseconds',
);
const IS_A_NUMBER = (unit: TimeFormat): BadValue =>
  new BadValue(NO_DATE.expected, `the value looks like ${unit} since 1970; set format: ${unit}`);

/**
 * Creates a function from a value to the local time in `timeZone`. A time with a zone, or since 1970, is converted; a
 * time without one is taken as local.
 * @returns a function that throws InvalidValueError
 */
export function wallClockReader(format: TimeFormat, timeZone: string): (text: string) => WallClock {
  const offsetAt = zoneOffsets(timeZone);
  const read =
    format === 'iso' ? (text: string) => readIso(text, offsetAt) : (text: string) => readSince(text, format, offsetAt);
  // The parts of one value are requested one after the other.
  let last: { readonly text: string; readonly shown: WallClock } | undefined;
  return (text) => {
    if (last?.text !== text) last = { text, shown: read(text) };
    return last.shown;
  };
}

/** Returns whether a name is an IANA time zone, or an offset such as +02:00. */
export function isTimeZone(name: string): boolean {
  if (OFFSET.test(name)) return true;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

const OFFSET = /^[+-]\d\d(?::?\d\d)?$/;

/**
 * Creates a function from a value to milliseconds since 1970. A time without a zone is UTC, and a date is midnight.
 * @returns a function that throws InvalidValueError
 */
export function instantReader(format: TimeFormat): (text: string) => number {
  if (format !== 'iso') return (text) => checkCount(parseCount(text, format), format);
  return (text) => {
    const { written, zone = '' } = parseIso(text);
    return written - parseOffset(zone);
  };
}

/**
 * Creates a function from a number to milliseconds since 1970, which equals `instantReader` for the text of the number;
 * undefined if times are not numbers.
 * @returns a function that throws InvalidValueError
 */
export function countReader(format: TimeFormat): ((count: number) => number) | undefined {
  return format === 'iso' ? undefined : (count) => checkCount(count, format);
}

/** A time as it is written. */
interface WrittenTime {
  /** Milliseconds since 1970 if its zone is UTC. */
  readonly written: number;
  readonly hasTime: boolean;
  readonly zone: string | undefined;
}

function parseIso(text: string): WrittenTime {
  const found = ISO.exec(text);
  if (found === null)
    throw /^\d{10}$/.test(text)
      ? IS_A_NUMBER('seconds')
      : /^\d{13}$/.test(text)
        ? IS_A_NUMBER('milliseconds')
        : NO_DATE;
  const [, year, month = found[4], day = found[5], , , hour, minute = '0', second = '0', fraction = '', zone] = found;
  const midnight = utc(Number(year), Number(month), Number(day));
  if (hour === undefined) return { written: midnight, hasTime: false, zone };
  // Accepts a leap second, which computer clocks do not show.
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) throw BAD_DATE;
  const seconds = Math.min(59, Number(second)) + Number(`0.${fraction}`);
  return { written: midnight + Number(hour) * HOUR + Number(minute) * MINUTE + seconds * 1000, hasTime: true, zone };
}

function readIso(text: string, offsetAt: (instant: number) => number): WallClock {
  const { written, hasTime, zone } = parseIso(text);
  if (zone === undefined) return shown(written, hasTime);
  const instant = written - parseOffset(zone);
  return shown(instant + offsetAt(instant), hasTime);
}

function readSince(text: string, unit: Exclude<TimeFormat, 'iso'>, offsetAt: (instant: number) => number): WallClock {
  const instant = checkCount(parseCount(text, unit), unit);
  return shown(instant + offsetAt(instant), true);
}

function parseCount(text: string, unit: Exclude<TimeFormat, 'iso'>): number {
  try {
    return parseNumber(text);
  } catch {
    throw NO_NUMBER_OF[unit];
  }
}

/** Returns the milliseconds of a count since 1970. */
function checkCount(count: number, unit: Exclude<TimeFormat, 'iso'>): number {
  if (unit === 'seconds' && Math.abs(count) >= LATEST_SECONDS) throw IS_MILLISECONDS;
  if (unit === 'milliseconds' && count >= FIRST_LIKE_SECONDS && count < LAST_LIKE_SECONDS) throw IS_SECONDS;
  const instant = unit === 'seconds' ? count * 1000 : count;
  if (Math.abs(instant) >= LATEST) throw BAD_DATE;
  return instant;
}

/**
 * Returns the UTC timestamp of midnight.
 * @throws InvalidValueError for an invalid date
 */
function utc(year: number, month: number, day: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) throw BAD_DATE;
  return date.getTime();
}

/** Returns the fields of a timestamp in local time. */
function shown(local: number, hasTime: boolean): WallClock {
  const date = new Date(local);
  return {
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    weekday: ((date.getUTCDay() + 6) % 7) + 1,
    hour: hasTime ? date.getUTCHours() : undefined,
  };
}

/** Returns an offset such as +02:00 in milliseconds; 0 for other zones, such as Z. */
function parseOffset(zone: string): number {
  const [, sign, hours = '0', minutes = '0', seconds = '0'] =
    /^([+-])(\d\d?)(?::?(\d\d))?(?::?(\d\d))?$/.exec(zone) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours) * HOUR + Number(minutes) * MINUTE + Number(seconds) * 1000);
}

/**
 * Returns the UTC offset of a zone in milliseconds at an instant. Zones change their offset at full quarters of an
 * hour.
 */
function zoneOffsets(timeZone: string): (instant: number) => number {
  if (timeZone === 'UTC') return () => 0;
  if (OFFSET.test(timeZone)) return () => parseOffset(timeZone);
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
  const known = new Map<number, number>();
  /** Parses the offset after GMT in GMT, GMT+05:30 or GMT-04:56:02. */
  const find = (instant: number): number =>
    parseOffset(
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
