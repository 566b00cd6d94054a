// Small maps of numbers, and what is by row or by batch beside the norms. They work on the columns that there are,
// since what
// fills up to four may have no image: 1 / 0. Leading dimensions count floats; `accumulate` adds to the output.

import { shareBegin, shareEnd, slotBegin, slotEnd } from './team';
import { BLOCK, LINE, addBlock, narrow } from './sums';
import { watch4 } from './finite';

// @ts-ignore: decorator
@inline
function put(at: usize, value: f32, accumulate: i32): void {
  store<f32>(at, accumulate ? load<f32>(at) + value : value);
}

/** y (+)= factor x + offset */
export function affine(
  x: usize, ldx: i32, y: usize, ldy: i32, rows: i32, width: i32, factor: f32, offset: f32, accumulate: i32,
): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const from = x + (<usize>b * ldx << 2),
      to = y + (<usize>b * ldy << 2);
    for (let n: usize = 0; n < <usize>width << 2; n += 4)
      put(to + n, factor * load<f32>(from + n) + offset, accumulate);
  }
}

/** A function of a number, by its number: e^x, e^x - 1, log x, log(1 + x), log(1 + e^x), the sign. */
// @ts-ignore: decorator
@inline
function mapped(kind: i32, x: f64): f64 {
  if (kind == 0) return Math.exp(x);
  if (kind == 1) return Math.expm1(x);
  if (kind == 2) return Math.log(x);
  if (kind == 3) return Math.log1p(x);
  if (kind == 4) return max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  return <f64>(x > 0) - <f64>(x < 0);
}

/** The derivative of that function. */
// @ts-ignore: decorator
@inline
function slopeOf(kind: i32, x: f64): f64 {
  if (kind <= 1) return Math.exp(x);
  if (kind == 2) return 1 / x;
  if (kind == 3) return 1 / (1 + x);
  if (kind == 4) return 1 / (1 + Math.exp(-x));
  return 0;
}

/** y = f(x), in doubles. */
export function mapNumbers(kind: i32, x: usize, ldx: i32, y: usize, ldy: i32, rows: i32, width: i32): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const from = x + (<usize>b * ldx << 2), to = y + (<usize>b * ldy << 2);
    for (let n: usize = 0; n < <usize>width << 2; n += 4) store<f32>(to + n, <f32>mapped(kind, load<f32>(from + n)));
  }
}

/** dx (+)= dy f'(x) */
export function mapNumbersGradient(
  kind: i32, x: usize, ldx: i32, dy: usize, ldy: i32, dx: usize, rows: i32, width: i32, accumulate: i32,
): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const from = x + (<usize>b * ldx << 2),
      dyRow = dy + (<usize>b * ldy << 2),
      to = dx + (<usize>b * ldx << 2);
    for (let n: usize = 0; n < <usize>width << 2; n += 4)
      put(to + n, <f32>(load<f32>(dyRow + n) * slopeOf(kind, load<f32>(from + n))), accumulate);
  }
}

/** y = x where it lies from low to high, else the nearer of these. */
export function clip(x: usize, ldx: i32, y: usize, ldy: i32, rows: i32, width: i32, low: f32, high: f32): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const from = x + (<usize>b * ldx << 2), to = y + (<usize>b * ldy << 2);
    for (let n: usize = 0; n < <usize>width << 2; n += 4) store<f32>(to + n, min(max(load<f32>(from + n), low), high));
  }
}

/** dx (+)= dy where x lies from low to high, else 0. */
export function clipGradient(
  x: usize, ldx: i32, dy: usize, ldy: i32, dx: usize, rows: i32, width: i32, low: f32, high: f32, accumulate: i32,
): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const from = x + (<usize>b * ldx << 2),
      dyRow = dy + (<usize>b * ldy << 2),
      to = dx + (<usize>b * ldx << 2);
    for (let n: usize = 0; n < <usize>width << 2; n += 4) {
      const v = load<f32>(from + n);
      put(to + n, v >= low && v <= high ? load<f32>(dyRow + n) : 0, accumulate);
    }
  }
}

/** y = -[t log σ(x) + (1 - t) log(1 - σ(x))] */
export function crossEntropy(x: usize, ldx: i32, t: usize, ldt: i32, y: usize, ldy: i32, rows: i32, width: i32): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const from = x + (<usize>b * ldx << 2), label = t + (<usize>b * ldt << 2), to = y + (<usize>b * ldy << 2);
    for (let n: usize = 0; n < <usize>width << 2; n += 4) {
      const v = <f64>load<f32>(from + n);
      store<f32>(to + n, <f32>(max(v, 0) + Math.log1p(Math.exp(-Math.abs(v))) - load<f32>(label + n) * v));
    }
  }
}

/** dx (+)= dy (σ(x) - t) */
export function crossEntropyGradient(
  x: usize, ldx: i32, t: usize, ldt: i32, dy: usize, ldy: i32, dx: usize, rows: i32, width: i32, accumulate: i32,
): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const from = x + (<usize>b * ldx << 2),
      label = t + (<usize>b * ldt << 2),
      dyRow = dy + (<usize>b * ldy << 2),
      to = dx + (<usize>b * ldx << 2);
    for (let n: usize = 0; n < <usize>width << 2; n += 4)
      put(
        to + n, <f32>(load<f32>(dyRow + n) * (1 / (1 + Math.exp(-<f64>load<f32>(from + n))) - load<f32>(label + n))),
        accumulate,
      );
  }
}

/** y = 1 / x */
export function reciprocal(x: usize, ldx: i32, y: usize, ldy: i32, rows: i32, width: i32): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const from = x + (<usize>b * ldx << 2), to = y + (<usize>b * ldy << 2);
    for (let n: usize = 0; n < <usize>width << 2; n += 4) store<f32>(to + n, <f32>1 / load<f32>(from + n));
  }
}

/** dx (+)= -dy y² */
export function reciprocalGradient(
  y: usize, ldy: i32, dy: usize, dx: usize, ldx: i32, rows: i32, width: i32, accumulate: i32,
): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const yRow = y + (<usize>b * ldy << 2),
      dyRow = dy + (<usize>b * ldy << 2),
      to = dx + (<usize>b * ldx << 2);
    for (let n: usize = 0; n < <usize>width << 2; n += 4) {
      const v = load<f32>(yRow + n);
      put(to + n, -load<f32>(dyRow + n) * v * v, accumulate);
    }
  }
}

/**
 * y = the logit of σ(a) σ(c) = -log(e^-a + e^-c + e^-(a + c)), in doubles, so that it is right wherever the product
 * rounds to 0 or 1.
 */
export function productLogit(a: usize, lda: i32, c: usize, ldc: i32, y: usize, ldy: i32, rows: i32, width: i32): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const left = a + (<usize>b * lda << 2),
      right = c + (<usize>b * ldc << 2),
      to = y + (<usize>b * ldy << 2);
    for (let n: usize = 0; n < <usize>width << 2; n += 4) {
      const u = -(<f64>load<f32>(left + n)),
        v = -(<f64>load<f32>(right + n)),
        largest = max(max(u, v), u + v);
      store<f32>(
        to + n,
        <f32>-(largest + Math.log(Math.exp(u - largest) + Math.exp(v - largest) + Math.exp(u + v - largest))),
      );
    }
  }
}

/** da (+)= dy (1 - σ(a)) / (1 - σ(a) σ(c)); for the other one, a and c change places. */
export function productLogitGradient(
  a: usize, lda: i32, c: usize, ldc: i32, dy: usize, ldy: i32, da: usize, rows: i32, width: i32, accumulate: i32,
): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const left = a + (<usize>b * lda << 2),
      right = c + (<usize>b * ldc << 2),
      dyRow = dy + (<usize>b * ldy << 2),
      to = da + (<usize>b * lda << 2);
    for (let n: usize = 0; n < <usize>width << 2; n += 4) {
      const u = -(<f64>load<f32>(left + n)),
        v = -(<f64>load<f32>(right + n)),
        largest = max(max(u, v), u + v);
      const own = Math.exp(u - largest) + Math.exp(u + v - largest);
      put(to + n, <f32>(load<f32>(dyRow + n) * (own / (own + Math.exp(v - largest)))), accumulate);
    }
  }
}

/**
 * z = (x - mean) / √(variance + ε) by each row's own statistics (Ba, Kiros & Hinton 2016), and y = z · gain + shift.
 * @param inverses 1/√(variance + ε) of each row, kept for the gradient
 */
export function layerNorm(
  x: usize, ldx: i32, z: usize, y: usize, ldy: i32, gain: usize, shift: usize, inverses: usize, rows: i32, width: i32,
  epsilon: f32,
): void {
  const end = shareEnd(rows, 4),
    bytes = <usize>width << 2;
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const from = x + (<usize>b * ldx << 2),
      hat = z + (<usize>b * ldy << 2),
      to = y + (<usize>b * ldy << 2);
    let sum: f64 = 0,
      squares: f64 = 0;
    for (let n: usize = 0; n < bytes; n += 4) sum += load<f32>(from + n);
    const mean = <f32>(sum / width);
    for (let n: usize = 0; n < bytes; n += 4) {
      const d = load<f32>(from + n) - mean;
      squares += d * d;
    }
    const inverse = <f32>(1 / Math.sqrt(squares / width + epsilon));
    store<f32>(inverses + (<usize>b << 2), inverse);
    for (let n: usize = 0; n < bytes; n += 4) {
      const v = (load<f32>(from + n) - mean) * inverse;
      store<f32>(hat + n, v);
      store<f32>(to + n, v * load<f32>(gain + n) + load<f32>(shift + n));
    }
  }
}

/** dx (+)= (d - mean(d) - z mean(d z)) / √(variance + ε), with d = dy · gain. */
export function layerNormGradient(
  z: usize, dy: usize, ldy: i32, gain: usize, inverses: usize, dx: usize, ldx: i32, rows: i32, width: i32,
  accumulate: i32,
): void {
  const end = shareEnd(rows, 4),
    bytes = <usize>width << 2;
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const hat = z + (<usize>b * ldy << 2),
      dyRow = dy + (<usize>b * ldy << 2),
      to = dx + (<usize>b * ldx << 2);
    let sum: f64 = 0,
      product: f64 = 0;
    for (let n: usize = 0; n < bytes; n += 4) {
      const d = load<f32>(dyRow + n) * load<f32>(gain + n);
      sum += d;
      product += d * load<f32>(hat + n);
    }
    const mean = <f32>(sum / width), slope = <f32>(product / width), inverse = load<f32>(inverses + (<usize>b << 2));
    for (let n: usize = 0; n < bytes; n += 4) {
      const d = load<f32>(dyRow + n) * load<f32>(gain + n);
      put(to + n, (d - mean - load<f32>(hat + n) * slope) * inverse, accumulate);
    }
  }
}

/** G[n] = Σ over b of a[b, n] c[b, n]; columns, a multiple of 4, are shared among workers. */
export function columnProducts(a: usize, c: usize, ld: i32, g: usize, rows: i32, columns: i32): void {
  const end = shareEnd(columns, LINE);
  const stride = <usize>ld << 2;
  for (let n = shareBegin(columns, LINE); n < end; n += 4) {
    let low = f64x2.splat(0), high = low;
    let from = a + (<usize>n << 2), other = c + (<usize>n << 2);
    for (let b = 0; b < rows; b += BLOCK) {
      let s = f32x4.splat(0);
      for (const stop = from + <usize>min(BLOCK, rows - b) * stride; from < stop; from += stride, other += stride)
        s = f32x4.add(s, f32x4.mul(v128.load(from), v128.load(other)));
      low = f64x2.add(low, f64x2.promote_low_f32x4(s));
      high = f64x2.add(high, f64x2.promote_low_f32x4(v128.shuffle<f32>(s, s, 2, 3, 2, 3)));
    }
    const sum = narrow(low, high);
    v128.store(g + (<usize>n << 2), sum);
    watch4(sum);
  }
}

/** Sums of some columns over the rows, doubles: of lines of them that begin `from` to `to` bytes behind x. */
// @ts-ignore: decorator
@inline
function sumRows(x: usize, stride: usize, sums: usize, rows: i32, from: usize, to: usize): void {
  memory.fill(sums + 2 * from, 0, 2 * (to - from));
  for (let b = 0; b < rows; b += BLOCK) {
    for (let n = from; n < to; n += 16) {
      let s = f32x4.splat(0);
      let at = x + <usize>b * stride + n;
      for (const stop = at + <usize>min(BLOCK, rows - b) * stride; at < stop; at += stride)
        s = f32x4.add(s, v128.load(at));
      addBlock(sums + 2 * n, s);
    }
  }
}

/** These sums in every row. */
// @ts-ignore: decorator
@inline
function spread(sums: usize, y: usize, stride: usize, rows: i32, accumulate: i32, from: usize, to: usize): void {
  for (let n = from; n < to; n += 16) {
    const sum = narrow(v128.load(sums + 2 * n), v128.load(sums + 2 * n, 16));
    let at = y + n;
    for (const stop = at + <usize>rows * stride; at < stop; at += stride)
      v128.store(at, accumulate ? f32x4.add(v128.load(at), sum) : sum);
  }
}

/**
 * y[b, n] (+)= Σ over all rows of x[:, n], the same in every row.
 * @param sums room for a double a column
 * @param slot, slots which lines of columns these are among all that share the phase
 */
export function batchSum(
  x: usize, ldx: i32, y: usize, ldy: i32, sums: usize, rows: i32, columns: i32, accumulate: i32, slot: i32, slots: i32,
): void {
  const end = slotEnd(columns, slot, slots);
  for (let line = slotBegin(columns, slot, slots); line < end; line += LINE) {
    const from = <usize>line << 2, to = <usize>min(line + LINE, columns) << 2;
    sumRows(x, <usize>ldx << 2, sums, rows, from, to);
    spread(sums, y, <usize>ldy << 2, rows, accumulate, from, to);
  }
}

/** The first half of it, where the sums of several processes are added up in the middle. */
export function batchSums(x: usize, ldx: i32, sums: usize, rows: i32, columns: i32, slot: i32, slots: i32): void {
  const end = slotEnd(columns, slot, slots);
  for (let line = slotBegin(columns, slot, slots); line < end; line += LINE)
    sumRows(x, <usize>ldx << 2, sums, rows, <usize>line << 2, <usize>min(line + LINE, columns) << 2);
}

/** The second half. */
export function batchSumTogether(
  y: usize, ldy: i32, sums: usize, rows: i32, columns: i32, accumulate: i32, slot: i32, slots: i32,
): void {
  const end = slotEnd(columns, slot, slots);
  for (let line = slotBegin(columns, slot, slots); line < end; line += LINE)
    spread(sums, y, <usize>ldy << 2, rows, accumulate, <usize>line << 2, <usize>min(line + LINE, columns) << 2);
}
