// Dates and times as DuckDB's CSV export writes them, in UTC.

const DAY_SECONDS = 86_400;
/** DuckDB's infinity among days. */
const INFINITE_DAYS = 2 ** 31 - 1;
/** DuckDB's infinity among microseconds and nanoseconds. */
const INFINITE_TICKS = 2n ** 63n - 1n;

/**
 * A date from its days since 1970. The calendar is the proleptic Gregorian one (H. Hinnant, `civil_from_days`, public
 * domain).
 */
export function dateText(days: number): string {
  if (Math.abs(days) === INFINITE_DAYS) return days > 0 ? 'infinity' : '-infinity';
  return civilText(days, '');
}

/** A point in time from its ticks since 1970. `digits` says how many of a second's decimals a tick is. */
export function timestampText(ticks: bigint, digits: number, isUtc: boolean): string {
  if (digits > 3 && (ticks === INFINITE_TICKS || ticks === -INFINITE_TICKS))
    return ticks > 0n ? 'infinity' : '-infinity';
  const dayTicks = BigInt(DAY_SECONDS) * 10n ** BigInt(digits);
  let days = ticks / dayTicks;
  if (days * dayTicks > ticks) days--;
  return civilText(Number(days), ` ${timeText(Number(ticks - days * dayTicks), digits)}${isUtc ? '+00' : ''}`);
}

/** Digits of a second that DuckDB keeps of a time with a zone. */
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

/** A time of the day from its ticks since midnight; of the decimals of a second, as many as are not zero. */
function timeText(ticks: number, digits: number): string {
  const perSecond = 10 ** digits;
  const seconds = Math.floor(ticks / perSecond);
  const rest = ticks - seconds * perSecond;
  const fraction = rest === 0 ? '' : `.${String(rest).padStart(digits, '0').replace(/0+$/, '')}`;
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}${fraction}`;
}

/** @param time what stands between the date and the mark of years before our era */
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
