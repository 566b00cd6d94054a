/** A mean with its interval; the ends are null for a single value. */
export interface Interval {
  readonly mean: number;
  readonly low: number | null;
  readonly high: number | null;
}

/** 97.5% quantiles of Student's t by degrees of freedom, from 1 on (Student 1908). */
const T_QUANTILES = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.306, 2.2622] as const;
/** 97.5% quantile of the normal distribution. */
const Z_QUANTILE = 1.959964;

/** Computes the mean and its 95% confidence interval by Student's t, assuming normally distributed values. */
export function computeInterval(values: readonly number[]): Interval {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  if (count < 2) return { mean, low: null, high: null };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  const half = studentQuantile(count - 1) * Math.sqrt(variance / count);
  return { mean, low: mean - half, high: mean + half };
}

/**
 * Returns the 97.5% quantile of Student's t; from 10 degrees of freedom on by a series (Abramowitz & Stegun 1964,
 * 26.7.5).
 */
function studentQuantile(degrees: number): number {
  const z = Z_QUANTILE;
  return (
    T_QUANTILES[degrees - 1] ??
    z +
      (z ** 3 + z) / (4 * degrees) +
      (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2) +
      (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * degrees ** 3)
  );
}
