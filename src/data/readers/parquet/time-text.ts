// Dates and times as DuckDB's CSV export writes them, in UTC.

const DAY_SECONDS = 86_400;
/** Days of 400 years of the Gregorian calendar. */
const ERA_DAYS = 146_097;
/** DuckDB's infinity in days. */
const INFINITE_DAYS = 2 ** 31 - 1;
/** DuckDB's infinity in microseconds and nanoseconds. */
const INFINITE_TICKS = 2n ** 63n - 1n;
/** Decimals of a second of a time with a zone in DuckDB. */
const MICROSECOND_DIGITS = 6;

/** Formats a date from its days since 1970 in the proleptic Gregorian calendar. */
export function dateText(days: number): string {
  if (Math.abs(days) === INFINITE_DAYS) return days > 0 ? 'infinity' : '-infinity';
  return civilText(days, '');
}

/** Formats a point in time from its ticks since 1970, each 10^-digits seconds. */
export function timestampText(ticks: bigint, digits: number, isUtc: boolean): string {
  if (digits > 3 && (ticks === INFINITE_TICKS || ticks === -INFINITE_TICKS))
    return ticks > 0n ? 'infinity' : '-infinity';
  const dayTicks = ticksPerDay(digits);
  const inDay = modulo(ticks, dayTicks);
  return civilText(Number((ticks - inDay) / dayTicks), ` ${timeText(inDay, digits)}${isUtc ? '+00' : ''}`);
}

/**
 * Formats a time of the day. In UTC it is taken modulo a day and cut to microseconds, as DuckDB does; only a whole day
 * is 24:00:00.
 * @param ticks since midnight, each 10^-digits seconds
 * @throws Error for a time without a zone that is before its day or after it
 */
export function timeOfDayText(ticks: bigint, digits: number, isUtc: boolean): string {
  const dayTicks = ticksPerDay(digits);
  const isInDay = ticks >= 0n && ticks <= dayTicks;
  if (!isUtc) {
    if (!isInDay) throw new Error(`a time of ${ticks} exceeds the ${dayTicks} ticks of a day`);
    return timeText(ticks, digits);
  }
  const inDay = isInDay ? ticks : modulo(ticks, dayTicks);
  const numCut = Math.max(0, digits - MICROSECOND_DIGITS);
  return `${timeText(inDay / 10n ** BigInt(numCut), digits - numCut)}+00`;
}

function ticksPerDay(digits: number): bigint {
  return BigInt(DAY_SECONDS) * 10n ** BigInt(digits);
}

function modulo(value: bigint, divisor: bigint): bigint {
  return ((value % divisor) + divisor) % divisor;
}

/** Formats a time of the day from its ticks since midnight, without trailing zeros of the second. */
function timeText(ticks: bigint, digits: number): string {
  const perSecond = 10 ** digits;
  const seconds = Math.floor(Number(ticks) / perSecond);
  const clock = seconds === DAY_SECONDS ? '24:00:00' : new Date(1000 * seconds).toISOString().slice(11, 19);
  const rest = Number(ticks) - seconds * perSecond;
  return rest === 0 ? clock : `${clock}.${String(rest).padStart(digits, '0').replace(/0+$/, '')}`;
}

/** @param time text between the date and the mark of years before our era */
function civilText(days: number, time: string): string {
  // Parquet has more years than a Date, and 400 years always have the same number of days.
  const era = Math.floor(days / ERA_DAYS);
  const date = new Date(1000 * DAY_SECONDS * (days - era * ERA_DAYS));
  const year = date.getUTCFullYear() + 400 * era;
  const text = `${String(year > 0 ? year : 1 - year).padStart(4, '0')}${date.toISOString().slice(4, 10)}`;
  return year > 0 ? text + time : `${text} (BC)${time}`;
}
