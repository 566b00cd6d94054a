/** A stretch of time, in milliseconds since 1970: all of a day, or (with no length) a moment. */
export interface DateRange {
  readonly begin: number;
  /** Where the next day begins; for a moment its own time. */
  readonly end: number;
}

const DAY_MS = 86_400_000;
const DATE =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?:Z|([+-])(\d{2})(?::?(\d{2}))?)?)?$/;

/**
 * Reads a date, or a date with a time, as ISO 8601 writes it; a space may stand for the T. Without a zone, it is UTC.
 * @returns undefined for any other text, and for days and times that no calendar and no clock has
 */
export function readDate(text: string): DateRange | undefined {
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second = '0', fraction = '', sign, zoneHour = '0', zoneMinute = '0'] = match;
  const midnight = Date.UTC(Number(year), Number(month) - 1, Number(day));
  const date = new Date(midnight);
  // Years below 100 would be of the last century, and days that are too many of the next month.
  if (
    date.getUTCFullYear() !== Number(year) ||
    date.getUTCMonth() !== Number(month) - 1 ||
    date.getUTCDate() !== Number(day)
  )
    return undefined;
  if (hour === undefined) return { begin: midnight, end: midnight + DAY_MS };
  if (
    Number(hour) > 23 ||
    Number(minute) > 59 ||
    Number(second) > 59 ||
    Number(zoneHour) > 23 ||
    Number(zoneMinute) > 59
  )
    return undefined;
  const zoneMs = (sign === '-' ? -1 : 1) * (60 * Number(zoneHour) + Number(zoneMinute)) * 60_000;
  const time =
    midnight +
    ((60 * Number(hour) + Number(minute)) * 60 + Number(second)) * 1000 +
    Number(`0.${fraction === '' ? '0' : fraction}`) * 1000 -
    zoneMs;
  return { begin: time, end: time };
}
