import { z } from 'zod';

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A duration: a number with a unit. */
export const DURATION = /^(\d+(?:\.\d+)?)(s|m|h|d)$/;
/** Description of valid durations, for errors. */
export const DURATION_FORM = 'a number with a unit (s, m, h or d), such as 90s, 30m, 6h or 7d';
/** Schema of a duration in a config. */
export const durationText = z.string().regex(DURATION, `expected ${DURATION_FORM}`);

/** Parses a validated duration; returns milliseconds. */
export function parseDuration(text: string): number {
  const [, number, unit] = DURATION.exec(text)!;
  return Number(number) * UNITS_MS[unit!]!;
}
