// Batch norm (Ioffe & Szegedy 2015). Columns, in fours, are shared among workers; sums run over rows in double precision.

import { isFirst, shareBegin, shareEnd } from './team';

/**
 * y = (x - mean) / √(variance + ε) · gain + shift by the batch's own statistics, which are kept at `statistics` (mean, then
 * 1/√, `columns` each) for the gradient; running statistics move by `momentum` (the variance is the unbiased one).
 */
export function normalise(x: usize, ldx: i32, y: usize, ldy: i32, gain: usize, shift: usize, running: usize, statistics: usize, rows: i32, columns: i32, epsilon: f32, momentum: f32): void {
  const end = shareEnd(columns, 4);
  const strideX = <usize>ldx << 2, strideY = <usize>ldy << 2, size = <usize>columns << 2;
  for (let n = shareBegin(columns, 4); n < end; n += 4) {
    const column = <usize>n << 2;
    let low = f64x2.splat(0), high = low, at = x + column;
    for (let b = 0; b < rows; b++, at += strideX) {
      const v = v128.load(at);
      low = f64x2.add(low, f64x2.promote_low_f32x4(v));
      high = f64x2.add(high, f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 2, 3)));
    }
    const count = f64x2.splat(rows);
    const mean = narrow(f64x2.div(low, count), f64x2.div(high, count));
    low = f64x2.splat(0); high = low; at = x + column;
    for (let b = 0; b < rows; b++, at += strideX) {
      const d = f32x4.sub(v128.load(at), mean), v = f32x4.mul(d, d);
      low = f64x2.add(low, f64x2.promote_low_f32x4(v));
      high = f64x2.add(high, f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 2, 3)));
    }
    const variance = narrow(f64x2.div(low, count), f64x2.div(high, count));
    const inverse = f32x4.div(f32x4.splat(1), f32x4.sqrt(f32x4.add(variance, f32x4.splat(epsilon))));
    v128.store(statistics + column, mean);
    v128.store(statistics + size + column, inverse);
    if (momentum != 0) {
      blend(running + column, mean, momentum, 1);
      // The running variance is the unbiased one; a batch of one row has none to give.
      if (rows > 1) blend(running + size + column, variance, momentum, <f32>rows / <f32>(rows - 1));
    }
    const scale = f32x4.mul(inverse, v128.load(gain + column)), offset = v128.load(shift + column);
    at = x + column;
    let to = y + column;
    for (let b = 0; b < rows; b++, at += strideX, to += strideY) {
      v128.store(to, f32x4.add(f32x4.mul(f32x4.sub(v128.load(at), mean), scale), offset));
    }
  }
}

/** The same by the running statistics (mean, then variance), for evaluation. */
export function normaliseRunning(x: usize, ldx: i32, y: usize, ldy: i32, gain: usize, shift: usize, running: usize, rows: i32, columns: i32, epsilon: f32): void {
  const end = shareEnd(rows, 4);
  const size = <usize>columns << 2;
  for (let n: usize = 0; n < size; n += 16) {
    const mean = v128.load(running + n);
    const inverse = f32x4.div(f32x4.splat(1), f32x4.sqrt(f32x4.add(v128.load(running + size + n), f32x4.splat(epsilon))));
    const scale = f32x4.mul(inverse, v128.load(gain + n)), offset = v128.load(shift + n);
    for (let b = shareBegin(rows, 4); b < end; b++) {
      const v = f32x4.sub(v128.load(x + (<usize>b * ldx << 2) + n), mean);
      v128.store(y + (<usize>b * ldy << 2) + n, f32x4.add(f32x4.mul(v, scale), offset));
    }
  }
}

/** dx (+)= gain/√ (dy - mean(dy) - x̂ mean(dy x̂)), dgain = Σ dy x̂, dshift = Σ dy. */
export function normaliseGradient(x: usize, ldx: i32, dy: usize, ldy: i32, gain: usize, statistics: usize, dx: usize, dgain: usize, dshift: usize, rows: i32, columns: i32, accumulate: i32): void {
  const end = shareEnd(columns, 4);
  const strideX = <usize>ldx << 2, strideY = <usize>ldy << 2, size = <usize>columns << 2;
  for (let n = shareBegin(columns, 4); n < end; n += 4) {
    const column = <usize>n << 2;
    const mean = v128.load(statistics + column), inverse = v128.load(statistics + size + column);
    let shiftLow = f64x2.splat(0), shiftHigh = shiftLow, gainLow = shiftLow, gainHigh = shiftLow;
    let xAt = x + column, dyAt = dy + column;
    for (let b = 0; b < rows; b++, xAt += strideX, dyAt += strideY) {
      const d = v128.load(dyAt), g = f32x4.mul(d, f32x4.mul(f32x4.sub(v128.load(xAt), mean), inverse));
      shiftLow = f64x2.add(shiftLow, f64x2.promote_low_f32x4(d));
      shiftHigh = f64x2.add(shiftHigh, f64x2.promote_low_f32x4(v128.shuffle<f32>(d, d, 2, 3, 2, 3)));
      gainLow = f64x2.add(gainLow, f64x2.promote_low_f32x4(g));
      gainHigh = f64x2.add(gainHigh, f64x2.promote_low_f32x4(v128.shuffle<f32>(g, g, 2, 3, 2, 3)));
    }
    v128.store(dshift + column, narrow(shiftLow, shiftHigh));
    v128.store(dgain + column, narrow(gainLow, gainHigh));
    const count = f64x2.splat(rows);
    const meanShift = narrow(f64x2.div(shiftLow, count), f64x2.div(shiftHigh, count));
    const meanGain = narrow(f64x2.div(gainLow, count), f64x2.div(gainHigh, count));
    const scale = f32x4.mul(inverse, v128.load(gain + column));
    xAt = x + column; dyAt = dy + column;
    let dxAt = dx + column;
    for (let b = 0; b < rows; b++, xAt += strideX, dyAt += strideY, dxAt += strideX) {
      const hat = f32x4.mul(f32x4.sub(v128.load(xAt), mean), inverse);
      let v = f32x4.mul(scale, f32x4.sub(f32x4.sub(v128.load(dyAt), meanShift), f32x4.mul(hat, meanGain)));
      if (accumulate) v = f32x4.add(v, v128.load(dxAt));
      v128.store(dxAt, v);
    }
  }
}

// @ts-ignore: decorator
@inline
function narrow(low: v128, high: v128): v128 {
  return v128.shuffle<f32>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 1, 4, 5);
}

/** running += momentum · (scale · batch - running) */
// @ts-ignore: decorator
@inline
function blend(at: usize, batch: v128, momentum: f32, scale: f32): void {
  const old = v128.load(at);
  v128.store(at, f32x4.add(old, f32x4.mul(f32x4.splat(momentum), f32x4.sub(f32x4.mul(batch, f32x4.splat(scale)), old))));
}

/** g[n] = Σ dy min(x, 0): the gradient of one slope for all columns, by the first worker. */
export function preluSlope(x: usize, ldx: i32, dy: usize, ldy: i32, g: usize, rows: i32, width: i32): void {
  if (!isFirst()) return;
  let sum: f64 = 0;
  for (let b = 0; b < rows; b++) {
    for (let n = 0; n < width; n++) sum += load<f32>(dy + (<usize>(b * ldy + n) << 2)) * min<f32>(load<f32>(x + (<usize>(b * ldx + n) << 2)), 0);
  }
  store<f32>(g, <f32>sum);
}

/** g[n] = Σ dy x (1 - σ(z)): the gradient of the slopes of dice; columns are shared. */
export function diceSlopes(x: usize, ldx: i32, z: usize, ldz: i32, dy: usize, ldy: i32, g: usize, rows: i32, width: i32): void {
  const end = shareEnd(width, 1);
  for (let n = shareBegin(width, 1); n < end; n++) {
    let sum: f64 = 0;
    for (let b = 0; b < rows; b++) {
      const p: f32 = <f32>1 / (<f32>1 + Mathf.exp(-load<f32>(z + (<usize>(b * ldz + n) << 2))));
      sum += load<f32>(dy + (<usize>(b * ldy + n) << 2)) * load<f32>(x + (<usize>(b * ldx + n) << 2)) * (<f32>1 - p);
    }
    store<f32>(g + (<usize>n << 2), <f32>sum);
  }
}
