/** Returns milliseconds since the epoch. The only access to the wall clock. */
export function wallClockMs(): number {
  return Date.now();
}

/** Returns milliseconds of a monotonic clock. Does not use `performance`, which takes Node milliseconds to load. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
