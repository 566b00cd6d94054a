// Dates and times as DuckDB's CSV export writes them, in UTC.

const DAY_SECONDS = 86_400;
/** DuckDB's infinity in days. */
const INFINITE_DAYS = 2 ** 31 - 1;
/** DuckDB's infinity in microseconds and nanoseconds. */
const INFINITE_TICKS = 2n ** 63n - 1n;

/**
 * Formats a date from its days since 1970 in the proleptic Gregorian calendar (H. Hinnant, `civil_from_days`, public
 * domain).
 */
export function dateText(days: number): string {
  if (Math.abs(days) === INFINITE_DAYS) return days > 0 ? 'infinity' : '-infinity';
  return civilText(days, '');
}

/** Formats a point in time from its ticks since 1970, each 10^-digits seconds. */
export function timestampText(ticks: bigint, digits: number, isUtc: boolean): string {
  if (digits > 3 && (ticks === INFINITE_TICKS || ticks === -INFINITE_TICKS))
    return ticks > 0n ? 'infinity' : '-infinity';
  const dayTicks = BigInt(DAY_SECONDS) * 10n ** BigInt(digits);
  let days = ticks / dayTicks;
  if (days * dayTicks > ticks) days--;
  return civilText(Number(days), ` ${timeText(Number(ticks - days * dayTicks), digits)}${isUtc ? '+00' : ''}`);
}

/** Decimals of a second of a time with a zone in DuckDB. */
const MICROSECOND_DIGITS = 6;

/**
 * Formats a time of the day. In UTC it is taken modulo a day and cut to microseconds, as DuckDB does; only a whole day
 * is 24:00:00.
 * @param ticks since midnight
 * @param digits of a second's decimals that a tick is
 * @throws Error for a time without a zone that is before its day or after it
 */
export function timeOfDayText(ticks: bigint, digits: number, isUtc: boolean): string {
  const dayTicks = BigInt(DAY_SECONDS) * 10n ** BigInt(digits);
  const isInDay = ticks >= 0n && ticks <= dayTicks;
  if (!isUtc) {
    if (!isInDay) throw new Error(`a time of ${ticks} exceeds the ${dayTicks} ticks of a day`);
    return timeText(Number(ticks), digits);
  }
  const inDay = isInDay ? ticks : ((ticks % dayTicks) + dayTicks) % dayTicks;
  const numCut = Math.max(0, digits - MICROSECOND_DIGITS);
  return `${timeText(Number(inDay / 10n ** BigInt(numCut)), digits - numCut)}+00`;
}

/** Formats a time of the day from its ticks since midnight, without trailing zeros of the second. */
function timeText(ticks: number, digits: number): string {
  const perSecond = 10 ** digits;
  const seconds = Math.floor(ticks / perSecond);
  const rest = ticks - seconds * perSecond;
  const fraction = rest === 0 ? '' : `.${String(rest).padStart(digits, '0').replace(/0+$/, '')}`;
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}${fraction}`;
}

/** @param time text between the date and the mark of years before our era */
function civilText(days: number, time: string): string {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const date = `${String(year > 0 ? year : 1 - year).padStart(4, '0')}-${two(month)}-${two(day)}`;
  return year > 0 ? date + time : `${date} (BC)${time}`;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}
