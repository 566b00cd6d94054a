/** Milliseconds since the epoch; the one place that reads the wall clock, so that nothing else can depend on it. */
export function wallClockMs(): number {
  return Date.now();
}

/** Milliseconds on a clock that never goes back, for durations. Node loads all that measures it before it gives `performance`, some milliseconds. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
