/** Milliseconds since the epoch; the one place that reads the wall clock, so that nothing else can depend on it. */
export function wallClockMs(): number {
  return Date.now();
}

/** Milliseconds on a clock that never goes back, for durations. */
export function monotonicMs(): number {
  return performance.now();
}
