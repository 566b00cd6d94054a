// Sums over the rows of a batch: in single precision over a block of rows, in double precision over the blocks.

import { watch4 } from './finite';
import { shareBegin, shareEnd } from './team';

/** Rows of a block. */
export const BLOCK: i32 = 32;
/** Columns of a cache line: workers that write the same line wait for each other. */
export const LINE: i32 = 16;

/** Four doubles at `at` += four floats. */
// @ts-ignore: decorator
@inline
export function addBlock(at: usize, v: v128): void {
  v128.store(at, f64x2.add(v128.load(at), f64x2.promote_low_f32x4(v)));
  v128.store(at, f64x2.add(v128.load(at, 16), f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 2, 3))), 16);
}

/** Four floats of two times two doubles. */
// @ts-ignore: decorator
@inline
export function narrow(low: v128, high: v128): v128 {
  return v128.shuffle<f32>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 1, 4, 5);
}

/** G[n] = sum over b of D[b, n]; columns, a multiple of 4, are shared among workers. */
export function columnSums(d: usize, ldd: i32, g: usize, rows: i32, columns: i32, accumulate: i32): void {
  const end = shareEnd(columns, LINE);
  const stride = <usize>ldd << 2;
  for (let n = shareBegin(columns, LINE); n < end; n += 4) {
    let low = f64x2.splat(0), high = low;
    let at = d + (<usize>n << 2);
    for (let b = 0; b < rows; b += BLOCK) {
      let s = f32x4.splat(0);
      for (const stop = at + <usize>min(BLOCK, rows - b) * stride; at < stop; at += stride)
        s = f32x4.add(s, v128.load(at));
      low = f64x2.add(low, f64x2.promote_low_f32x4(s));
      high = f64x2.add(high, f64x2.promote_low_f32x4(v128.shuffle<f32>(s, s, 2, 3, 2, 3)));
    }
    let sum = narrow(low, high);
    const out = g + (<usize>n << 2);
    if (accumulate) sum = f32x4.add(sum, v128.load(out));
    v128.store(out, sum);
    watch4(sum);
  }
}
