// An exponential average of weights. A row's average needs its weights only before they change: as long as they stay
// what they are,
// a known share of what lies between the two is left. So a row is visited when a batch touches it, and its average is
// exact.
//
// `clock` is two doubles: the decay, and the steps that were taken. A row of a table holds its average, `average` bytes
// from the
// weights on, and behind it a word: the steps that it covers.

import { shareBegin, shareEnd } from './team';
import { FETCHED, fetchRows } from './updates';
import { loadUpTo, storeUpTo } from './vector';

/** base^n; the same bits as in engines/compile/average.ts. */
function power(base: f64, n: u32): f64 {
  let result: f64 = 1;
  for (; n > 0; n >>= 1, base *= base) if (n & 1) result *= base;
  return result;
}

/**
 * What is left, after `to` steps, more than `from`, of the distance that an average of `from` steps had from weights
 * that stayed the same.
 */
function shareLeft(decay: f64, from: u32, to: u32): f32 {
  return <f32>((power(decay, to - from) * (1 - power(decay, from))) / (1 - power(decay, to)));
}

/** average = w + share · (average - w); not fused, so that JavaScript can have the same bits. */
function approach(w: usize, average: usize, bytes: usize, share: f32): void {
  for (let i: usize = 0; i < bytes; i += 16) {
    const weight = loadUpTo(w + i, bytes - i);
    storeUpTo(
      average + i,
      f32x4.add(weight, f32x4.mul(f32x4.splat(share), f32x4.sub(loadUpTo(average + i, bytes - i), weight))), bytes - i,
    );
  }
}

function exchange(w: usize, average: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) {
    const weight = loadUpTo(w + i, bytes - i);
    storeUpTo(w + i, loadUpTo(average + i, bytes - i), bytes - i);
    storeUpTo(average + i, weight, bytes - i);
  }
}

/** Takes dense weights as a step has left them into their average; nothing where there is a 1 at `refused`. */
export function averageWeights(w: usize, average: usize, count: i32, clock: usize, refused: usize): void {
  if (load<u32>(refused)) return;
  const before = <u32>load<f64>(clock, 8);
  const offset = <usize>shareBegin(count, 16) << 2;
  approach(
    w + offset, average + offset, (<usize>shareEnd(count, 16) << 2) - offset,
    shareLeft(load<f64>(clock), before, before + 1),
  );
}

// @ts-ignore: decorator
@inline
function bringUp(row: usize, average: usize, bytes: usize, decay: f64, steps: u32): void {
  const covers = row + average + bytes;
  const from = load<u32>(covers);
  if (from == steps) return;
  approach(row, row + average, bytes, shareLeft(decay, from, steps));
  store<u32>(covers, steps);
}

/**
 * Brings the average of the rows that are about to change up to the steps that were taken: distinct rows, shared as
 * their update
 * shares them, or all rows of a table that is not lazy.
 * @param refused where there is a 1, nothing is done
 * @param tableRows 0 for lazy
 */
export function averageRows(
  table: usize, stride: i32, width: i32, average: usize, distinct: usize, countAt: usize, clock: usize, refused: usize,
  tableRows: i32,
): void {
  if (load<u32>(refused)) return;
  const decay = load<f64>(clock), steps = <u32>load<f64>(clock, 8);
  const bytes = <usize>width << 2, strideBytes = <usize>stride << 2;
  const count = tableRows || load<i32>(countAt);
  const stop = shareEnd(count, 1);
  for (let begin = shareBegin(count, 1); begin < stop; begin += FETCHED) {
    const end = min(begin + FETCHED, stop);
    if (tableRows == 0) fetchRows(table, strideBytes, distinct, begin, end);
    for (let u = begin; u < end; u++) {
      const row = tableRows ? u : load<u32>(distinct + (<usize>u << 2));
      bringUp(table + <usize>row * strideBytes, average, bytes, decay, steps);
    }
  }
}

/** Puts dense weights in the place of their average, and the other way round. */
export function exchangeWeights(w: usize, average: usize, count: i32): void {
  const offset = <usize>shareBegin(count, 16) << 2;
  exchange(w + offset, average + offset, (<usize>shareEnd(count, 16) << 2) - offset);
}

/** The same for all rows of a table, brought up to the steps that were taken. */
export function exchangeRows(table: usize, stride: i32, width: i32, average: usize, rows: i32, clock: usize): void {
  const decay = load<f64>(clock), steps = <u32>load<f64>(clock, 8);
  const bytes = <usize>width << 2, strideBytes = <usize>stride << 2;
  const end = shareEnd(rows, 1);
  for (let row = shareBegin(rows, 1); row < end; row++) {
    const at = table + <usize>row * strideBytes;
    bringUp(at, average, bytes, decay, steps);
    exchange(at, at + average, bytes);
  }
}
