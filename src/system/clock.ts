/** Milliseconds since the epoch; the one place that reads the wall clock, so that nothing else can depend on it. */
export function wallClockMs(): number {
  return Date.now();
}

/**
 * Milliseconds on a clock that never goes back, for durations; not by `performance`, whose code takes Node some
 * milliseconds to load.
 */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
