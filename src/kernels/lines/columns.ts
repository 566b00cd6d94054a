/** Makes ids of 64 bits ones of 32, in place; -1, which is no id, becomes the largest. */
export function narrow(ids: usize, count: u32): void {
  for (let i: usize = 0; i < <usize>count; i++) store<u32>(ids + 4 * i, <u32>load<u64>(ids + 8 * i));
}

/** Makes them doubles. */
export function widen(ids: usize, count: u32): void {
  for (let i: usize = 0; i < <usize>count; i++) store<f64>(ids + 8 * i, <f64>load<i64>(ids + 8 * i));
}
