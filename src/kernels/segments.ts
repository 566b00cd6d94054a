// Operations between the rows of a batch and the items of a sequence: row b has items offsets[b] … offsets[b + 1], one
// row each in a matrix of items. Rows of the batch are shared among workers, each with all items of its rows, so sums
// have one order. Columns come in fours, zero beyond the width.

import { shareBegin, shareEnd } from './team';
import { exp4 } from './vector';

// @ts-ignore: decorator
@inline
function itemAt(offsets: usize, b: i32): usize {
  return <usize>load<u32>(offsets + (<usize>b << 2));
}

// @ts-ignore: decorator
@inline
function put(at: usize, value: v128, accumulate: i32): void {
  v128.store(at, accumulate ? f32x4.add(v128.load(at), value) : value);
}

/** Returns the factor of a row of so many items: 1, or 1 over their number. */
// @ts-ignore: decorator
@inline
function factorOf(isMean: i32, items: usize): v128 {
  return f32x4.splat(isMean && items > 1 ? 1 / <f32>items : 1);
}

/** y[item] (+)= factor · x[b] for the items of row b; the factor is 1, or 1 over their number. */
export function expand(
  x: usize,
  ldx: i32,
  offsets: usize,
  y: usize,
  ldy: i32,
  rows: i32,
  columns: i32,
  isMean: i32,
  accumulate: i32,
): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const from = x + ((<usize>b * ldx) << 2);
    const first = itemAt(offsets, b), stop = itemAt(offsets, b + 1);
    const factor = factorOf(isMean, stop - first);
    for (let item = first; item < stop; item++) {
      const to = y + ((item * ldy) << 2);
      for (let n: usize = 0; n < <usize>columns << 2; n += 16)
        put(to + n, f32x4.mul(factor, v128.load(from + n)), accumulate);
    }
  }
}

/** y[b] (+)= factor · Σ x[item] over the items of row b; 0 without items. */
export function segmentSum(
  x: usize,
  ldx: i32,
  offsets: usize,
  y: usize,
  ldy: i32,
  rows: i32,
  columns: i32,
  isMean: i32,
  accumulate: i32,
): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const to = y + ((<usize>b * ldy) << 2);
    const first = itemAt(offsets, b), stop = itemAt(offsets, b + 1);
    const factor = factorOf(isMean, stop - first);
    for (let n: usize = 0; n < <usize>columns << 2; n += 16) {
      let sum = f32x4.splat(0);
      for (let item = first; item < stop; item++) sum = f32x4.add(sum, v128.load(x + ((item * ldx) << 2) + n));
      put(to + n, f32x4.mul(factor, sum), accumulate);
    }
  }
}

/** y[b] = the maximum of x[item] over the items of row b, by column; 0 without items. */
export function segmentMax(
  x: usize,
  ldx: i32,
  offsets: usize,
  y: usize,
  ldy: i32,
  rows: i32,
  columns: i32,
): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const to = y + ((<usize>b * ldy) << 2);
    const first = itemAt(offsets, b), stop = itemAt(offsets, b + 1);
    for (let n: usize = 0; n < <usize>columns << 2; n += 16) {
      let most = f32x4.splat(0);
      if (first < stop) most = v128.load(x + ((first * ldx) << 2) + n);
      for (let item = first + 1; item < stop; item++)
        most = f32x4.max(most, v128.load(x + ((item * ldx) << 2) + n));
      v128.store(to + n, most);
    }
  }
}

/** dx[item] (+)= dy[b] for the first item of row b that has the maximum, by column, and 0 for the others. */
export function segmentMaxGradient(
  x: usize,
  ldx: i32,
  offsets: usize,
  y: usize,
  ldy: i32,
  dy: usize,
  dx: usize,
  rows: i32,
  width: i32,
  accumulate: i32,
): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const row = (<usize>b * ldy) << 2;
    const first = itemAt(offsets, b), stop = itemAt(offsets, b + 1);
    for (let n: usize = 0; n < <usize>width << 2; n += 4) {
      const most = load<f32>(y + row + n);
      let isFound = false;
      for (let item = first; item < stop; item++) {
        const at = ((item * ldx) << 2) + n;
        const isMax = !isFound && load<f32>(x + at) == most;
        isFound = isFound || isMax;
        const value: f32 = isMax ? load<f32>(dy + row + n) : 0;
        store<f32>(dx + at, accumulate ? load<f32>(dx + at) + value : value);
      }
    }
  }
}

/** y[item] = e^x[item] / Σ e^x over the items of the same row, by column. */
export function segmentSoftmax(
  x: usize,
  ldx: i32,
  offsets: usize,
  y: usize,
  ldy: i32,
  rows: i32,
  columns: i32,
): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const first = itemAt(offsets, b), stop = itemAt(offsets, b + 1);
    if (first == stop) continue;
    for (let n: usize = 0; n < <usize>columns << 2; n += 16) {
      let largest = v128.load(x + ((first * ldx) << 2) + n);
      for (let item = first + 1; item < stop; item++)
        largest = f32x4.max(largest, v128.load(x + ((item * ldx) << 2) + n));
      let sum = f32x4.splat(0);
      for (let item = first; item < stop; item++) {
        const e = exp4(f32x4.sub(v128.load(x + ((item * ldx) << 2) + n), largest));
        v128.store(y + ((item * ldy) << 2) + n, e);
        sum = f32x4.add(sum, e);
      }
      for (let item = first; item < stop; item++) {
        const at = y + ((item * ldy) << 2) + n;
        v128.store(at, f32x4.div(v128.load(at), sum));
      }
    }
  }
}

/** dx[item] (+)= y[item] · (dy[item] - Σ dy · y over the items of the same row), by column. */
export function segmentSoftmaxGradient(
  y: usize,
  ldy: i32,
  offsets: usize,
  dy: usize,
  dx: usize,
  ldx: i32,
  rows: i32,
  columns: i32,
  accumulate: i32,
): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const first = itemAt(offsets, b), stop = itemAt(offsets, b + 1);
    for (let n: usize = 0; n < <usize>columns << 2; n += 16) {
      let dot = f32x4.splat(0);
      for (let item = first; item < stop; item++) {
        const at = ((item * ldy) << 2) + n;
        dot = f32x4.add(dot, f32x4.mul(v128.load(dy + at), v128.load(y + at)));
      }
      for (let item = first; item < stop; item++) {
        const at = ((item * ldy) << 2) + n;
        const value = f32x4.mul(v128.load(y + at), f32x4.sub(v128.load(dy + at), dot));
        put(dx + ((item * ldx) << 2) + n, value, accumulate);
      }
    }
  }
}

/** y[item] (+)= x[item - by] within the items of the same row; 0 where there is none. */
export function shiftItems(
  x: usize,
  ldx: i32,
  offsets: usize,
  y: usize,
  ldy: i32,
  rows: i32,
  columns: i32,
  by: i32,
  accumulate: i32,
): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const first = <i64>itemAt(offsets, b), stop = <i64>itemAt(offsets, b + 1);
    for (let item = first; item < stop; item++) {
      const other = item - by;
      const to = y + ((<usize>item * ldy) << 2);
      for (let n: usize = 0; n < <usize>columns << 2; n += 16) {
        let value = f32x4.splat(0);
        if (other >= first && other < stop) value = v128.load(x + ((<usize>other * ldx) << 2) + n);
        put(to + n, value, accumulate);
      }
    }
  }
}
