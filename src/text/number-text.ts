/** Formats an integer with thousands separators, like Intl.NumberFormat for English, which takes 10 ms to load. */
export function count(value: number): string {
  const digits = Math.round(Math.abs(value)).toFixed(0);
  return `${value < 0 ? '-' : ''}${digits.replace(/\B(?=(?:\d{3})+$)/g, ',')}`;
}

/** A duration in words: 950 ms, 12.3 s, 4 min 05 s, 2 h 07 min. */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 1) return `${Math.round(ms)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  return minutes < 60
    ? `${minutes} min ${two(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

/** A number of bytes in words: 512 kB, 12.3 MB, 1.2 GB. */
export function bytes(value: number): string {
  if (value < 1e6) return `${Math.ceil(value / 1e3)} kB`;
  return value < 1e9 ? `${(value / 1e6).toFixed(1)} MB` : `${(value / 1e9).toFixed(1)} GB`;
}

/** A share of one in percent, with as many digits as tell it from 0 and from 1. */
export function percent(share: number): string {
  return share === 0 || share === 1
    ? `${100 * share}%`
    : `${(100 * share).toFixed(share < 0.1 || share > 0.999 ? 2 : 1)}%`;
}

/** Formats a metric; a dash for null. */
export function decimals(value: number | null): string {
  return value?.toFixed(4) ?? '-';
}

/** Formats a difference with its sign; a dash for null. */
export function signed(value: number | null): string {
  return value === null ? '-' : `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(4)}`;
}

/** A level in percent, such as the level of an interval, with the digits that it was given. */
export function level(share: number): string {
  return `${Number((100 * share).toPrecision(6))}%`;
}

const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** Parses a size in bytes, with or without a unit: 1048576, 500MB, 1.5 GiB. Returns undefined for other text. */
export function parseBytes(text: string): number | undefined {
  const [, number, unit = 'B'] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]+)?\s*$/i.exec(text) ?? [];
  const factor = UNITS[unit.toLowerCase()];
  return number === undefined || factor === undefined ? undefined : Math.floor(Number(number) * factor);
}
