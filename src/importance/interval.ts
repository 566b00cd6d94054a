/** A mean with its interval; both ends are null where there is but one number. */
export interface Interval {
  readonly mean: number;
  readonly low: number | null;
  readonly high: number | null;
}

/** The 97.5% quantile of Student's t by degrees of freedom, from 1 on (Student 1908; any table of it). */
const QUANTILES = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.306, 2.2622] as const;
/** Of the normal distribution. */
const NORMAL = 1.959964;

/**
 * The mean of some numbers that were drawn alike, and the interval that holds what they are drawn around 95 times of
 * 100, if they are
 * spread about normally: Student's.
 */
export function computeInterval(values: readonly number[]): Interval {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  if (count < 2) return { mean, low: null, high: null };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  const half = studentQuantile(count - 1) * Math.sqrt(variance / count);
  return { mean, low: mean - half, high: mean + half };
}

/** From 10 degrees on by the first terms of its series around the normal (Abramowitz & Stegun 1964, 26.7.5). */
function studentQuantile(degrees: number): number {
  const z = NORMAL;
  return (
    QUANTILES[degrees - 1] ??
    z +
      (z ** 3 + z) / (4 * degrees) +
      (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2) +
      (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * degrees ** 3)
  );
}
