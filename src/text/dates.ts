/** A time range in milliseconds since 1970: a whole day, or a moment of zero length. */
export interface DateRange {
  readonly begin: number;
  /** Start of the next day, or for a moment its own time. */
  readonly end: number;
}

const DAY_MS = 86_400_000;
const DATE =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?:Z|([+-])(\d{2})(?::?(\d{2}))?)?)?$/;

/**
 * Parses an ISO 8601 date with an optional time, after T or a space; default zone: UTC.
 * @returns undefined for other strings and for nonexistent days and times
 */
export function readDate(text: string): DateRange | undefined {
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second = '0', fraction = '', sign, zoneHour = '0', zoneMinute = '0'] = match;
  const midnight = Date.UTC(Number(year), Number(month) - 1, Number(day));
  const date = new Date(midnight);
  // Date.UTC maps years below 100 to 19xx, and excess days to the next month.
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

/** Formats milliseconds since 1970 in ISO 8601. */
export function formatTime(ms: number): string {
  return new Date(ms).toISOString();
}
