// Row by row: activations, dropout, copies, products. B rows are shared among workers; columns come in fours, zero
// beyond
// the width, so that no kernel has a tail. Leading dimensions count floats. `accumulate` adds to the output.

import { shareBegin, shareEnd } from './team';
import { exp4, multiplyAdd, sigmoid4 } from './vector';

// The order of `CODES` in engines/compile/operations/activation.ts.
const RELU = 0, SIGMOID = 1, TANH = 2, LEAKY_RELU = 3, GELU = 4, SWISH = 5;

// @ts-ignore: decorator
@inline
function put(at: usize, value: v128, accumulate: i32): void {
  v128.store(at, accumulate ? f32x4.add(v128.load(at), value) : value);
}

/** y = f(x) */
export function activate(kind: i32, x: usize, ldx: i32, y: usize, ldy: i32, rows: i32, columns: i32): void {
  // One loop a function: the choice is not made again for every four numbers.
  if (kind == RELU) activateBy(RELU, x, ldx, y, ldy, rows, columns);
  else if (kind == SIGMOID) activateBy(SIGMOID, x, ldx, y, ldy, rows, columns);
  else if (kind == TANH) activateBy(TANH, x, ldx, y, ldy, rows, columns);
  else if (kind == LEAKY_RELU) activateBy(LEAKY_RELU, x, ldx, y, ldy, rows, columns);
  else if (kind == GELU) activateBy(GELU, x, ldx, y, ldy, rows, columns);
  else activateBy(SWISH, x, ldx, y, ldy, rows, columns);
}

// @ts-ignore: decorator
@inline
function activateBy(kind: i32, x: usize, ldx: i32, y: usize, ldy: i32, rows: i32, columns: i32): void {
  const end = shareEnd(rows, 4), begin = shareBegin(rows, 4);
  const strideX = <usize>ldx << 2, strideY = <usize>ldy << 2;
  let from = x + <usize>begin * strideX, to = y + <usize>begin * strideY;
  for (let b = begin; b < end; b++, from += strideX, to += strideY) {
    for (let n: usize = 0; n < <usize>columns << 2; n += 16) {
      const v = v128.load(from + n);
      let out = v;
      if (kind == RELU) out = f32x4.max(v, f32x4.splat(0));
      else if (kind == SIGMOID) out = sigmoid4(v);
      else if (kind == TANH) out = tanh4(v);
      else if (kind == LEAKY_RELU) out = f32x4.max(v, f32x4.mul(v, f32x4.splat(0.01)));
      else if (kind == GELU) out = f32x4.mul(v, normalDistribution4(v));
      else if (kind == SWISH) out = f32x4.mul(v, sigmoid4(v));
      v128.store(to + n, out);
    }
  }
}

/** dx = dy f'(x), with y = f(x) at hand. */
export function activateGradient(
  kind: i32, x: usize, ldx: i32, y: usize, ldy: i32, dy: usize, dx: usize, rows: i32, columns: i32, accumulate: i32,
): void {
  if (kind == RELU) activateGradientBy(RELU, x, ldx, y, ldy, dy, dx, rows, columns, accumulate);
  else if (kind == SIGMOID) activateGradientBy(SIGMOID, x, ldx, y, ldy, dy, dx, rows, columns, accumulate);
  else if (kind == TANH) activateGradientBy(TANH, x, ldx, y, ldy, dy, dx, rows, columns, accumulate);
  else if (kind == LEAKY_RELU) activateGradientBy(LEAKY_RELU, x, ldx, y, ldy, dy, dx, rows, columns, accumulate);
  else if (kind == GELU) activateGradientBy(GELU, x, ldx, y, ldy, dy, dx, rows, columns, accumulate);
  else activateGradientBy(SWISH, x, ldx, y, ldy, dy, dx, rows, columns, accumulate);
}

// @ts-ignore: decorator
@inline
function activateGradientBy(
  kind: i32, x: usize, ldx: i32, y: usize, ldy: i32, dy: usize, dx: usize, rows: i32, columns: i32, accumulate: i32,
): void {
  const end = shareEnd(rows, 4);
  const one = f32x4.splat(1);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const xRow = x + (<usize>b * ldx << 2), yRow = y + (<usize>b * ldy << 2);
    const dyRow = dy + (<usize>b * ldy << 2), dxRow = dx + (<usize>b * ldx << 2);
    for (let n: usize = 0; n < <usize>columns << 2; n += 16) {
      const v = v128.load(xRow + n), f = v128.load(yRow + n);
      const isPositive = f32x4.gt(v, f32x4.splat(0));
      let slope = one;
      if (kind == RELU) slope = v128.and(isPositive, one);
      else if (kind == SIGMOID) slope = f32x4.mul(f, f32x4.sub(one, f));
      else if (kind == TANH) slope = f32x4.sub(one, f32x4.mul(f, f));
      else if (kind == LEAKY_RELU) slope = v128.bitselect(one, f32x4.splat(0.01), isPositive);
      else if (kind == GELU) slope = multiplyAdd(v, normalDensity4(v), normalDistribution4(v));
      else if (kind == SWISH) slope = swishSlope4(v, f);
      put(dxRow + n, f32x4.mul(v128.load(dyRow + n), slope), accumulate);
    }
  }
}

// @ts-ignore: decorator
@inline
function tanh4(x: v128): v128 {
  const two = f32x4.splat(2);
  return f32x4.sub(f32x4.mul(two, sigmoid4(f32x4.mul(two, x))), f32x4.splat(1));
}

/** σ(x) + x σ(x) (1 - σ(x)), with y = x σ(x) at hand. */
function swishSlope4(x: v128, y: v128): v128 {
  const p = sigmoid4(x);
  return f32x4.add(p, f32x4.mul(y, f32x4.sub(f32x4.splat(1), p)));
}

/** The standard normal's density, lane by lane. */
function normalDensity4(x: v128): v128 {
  let out = x;
  out = f32x4.replace_lane(out, 0, density(f32x4.extract_lane(x, 0)));
  out = f32x4.replace_lane(out, 1, density(f32x4.extract_lane(x, 1)));
  out = f32x4.replace_lane(out, 2, density(f32x4.extract_lane(x, 2)));
  return f32x4.replace_lane(out, 3, density(f32x4.extract_lane(x, 3)));
}

function density(x: f32): f32 {
  return <f32>(0.3989422804014327 * Math.exp(-0.5 * x * x));
}

/** The standard normal's distribution function, lane by lane. */
function normalDistribution4(x: v128): v128 {
  let out = x;
  out = f32x4.replace_lane(out, 0, distribution(f32x4.extract_lane(x, 0)));
  out = f32x4.replace_lane(out, 1, distribution(f32x4.extract_lane(x, 1)));
  out = f32x4.replace_lane(out, 2, distribution(f32x4.extract_lane(x, 2)));
  return f32x4.replace_lane(out, 3, distribution(f32x4.extract_lane(x, 3)));
}

/** By the error function to 1.5e-7 (Abramowitz & Stegun 1964, 7.1.26). */
function distribution(x: f32): f32 {
  const z = Math.abs(x) * Math.SQRT1_2;
  const t = 1 / (1 + 0.3275911 * z);
  const p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const erf = 1 - p * Math.exp(-z * z);
  return <f32>(x < 0 ? 0.5 * (1 - erf) : 0.5 * (1 + erf));
}

/** y (+)= a ∘ b */
export function multiply(
  a: usize, lda: i32, b: usize, ldb: i32, y: usize, ldy: i32, rows: i32, columns: i32, accumulate: i32,
): void {
  const end = shareEnd(rows, 4);
  for (let r = shareBegin(rows, 4); r < end; r++) {
    const aRow = a + (<usize>r * lda << 2),
      bRow = b + (<usize>r * ldb << 2),
      yRow = y + (<usize>r * ldy << 2);
    for (let n: usize = 0; n < <usize>columns << 2; n += 16)
      put(yRow + n, f32x4.mul(v128.load(aRow + n), v128.load(bRow + n)), accumulate);
  }
}

/** y[b, :] (+)= scale · g[b] · x[b, :] */
export function scaleRows(
  g: usize, ldg: i32, x: usize, ldx: i32, y: usize, ldy: i32, rows: i32, columns: i32, scale: f32, accumulate: i32,
): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const factor = f32x4.splat(scale * load<f32>(g + (<usize>b * ldg << 2)));
    const xRow = x + (<usize>b * ldx << 2),
      yRow = y + (<usize>b * ldy << 2);
    for (let n: usize = 0; n < <usize>columns << 2; n += 16)
      put(yRow + n, f32x4.mul(factor, v128.load(xRow + n)), accumulate);
  }
}

/** o[b] (+)= scale · <x[b, :], y[b, :]> */
export function dotRows(
  x: usize, ldx: i32, y: usize, ldy: i32, o: usize, ldo: i32, rows: i32, columns: i32, scale: f32, accumulate: i32,
): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const xRow = x + (<usize>b * ldx << 2), yRow = y + (<usize>b * ldy << 2);
    let sum = f32x4.splat(0);
    for (let n: usize = 0; n < <usize>columns << 2; n += 16)
      sum = multiplyAdd(v128.load(xRow + n), v128.load(yRow + n), sum);
    const total =
      scale *
      (f32x4.extract_lane(sum, 0) +
        f32x4.extract_lane(sum, 1) +
        f32x4.extract_lane(sum, 2) +
        f32x4.extract_lane(sum, 3));
    const at = o + (<usize>b * ldo << 2);
    store<f32>(at, accumulate ? load<f32>(at) + total : total);
  }
}

/** y[:, 0 … width) (+)= x[:, 0 … width), at any alignment. */
export function copyColumns(x: usize, ldx: i32, y: usize, ldy: i32, rows: i32, width: i32, accumulate: i32): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const from = x + (<usize>b * ldx << 2), to = y + (<usize>b * ldy << 2);
    for (let n: usize = 0; n < <usize>width << 2; n += 4) {
      const value = load<f32>(from + n);
      store<f32>(to + n, accumulate ? load<f32>(to + n) + value : value);
    }
  }
}

/** Zeroes columns. */
export function clear(y: usize, ldy: i32, rows: i32, columns: i32): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) memory.fill(y + (<usize>b * ldy << 2), 0, <usize>columns << 2);
}

/** y (+)= x ∘ mask: the inverted-dropout mask that `dropoutMask` of random.ts draws for the key at `key`. */
export function dropout(
  x: usize, ldx: i32, y: usize, ldy: i32, rows: i32, width: i32, key: usize, threshold: f64, keep: f32, accumulate: i32,
): void {
  const end = shareEnd(rows, 4);
  const seed = load<u32>(key);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const from = x + (<usize>b * ldx << 2), to = y + (<usize>b * ldy << 2);
    for (let n = 0; n < width; n++) {
      let h = seed + <u32>(b * width + n) * 0x9e3779b1;
      h = (h ^ (h >> 16)) * 0x7feb352d;
      h = (h ^ (h >> 15)) * 0x846ca68b;
      h ^= h >> 16;
      const at = <usize>n << 2;
      const value: f32 = <f64>h < threshold ? 0 : load<f32>(from + at) * keep;
      store<f32>(to + at, accumulate ? load<f32>(to + at) + value : value);
    }
  }
}

/** y = softmax(x) over the first `width` columns of each row; zero in the columns that fill up to four. */
export function softmax(x: usize, ldx: i32, y: usize, ldy: i32, rows: i32, width: i32, columns: i32): void {
  const end = shareEnd(rows, 4);
  // Of the last four columns, those that count.
  const isReal = i32x4.gt_s(i32x4.splat(width - columns + 4), i32x4(0, 1, 2, 3));
  const last = (<usize>columns << 2) - 16;
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const from = x + (<usize>b * ldx << 2), to = y + (<usize>b * ldy << 2);
    let four = v128.bitselect(v128.load(from + last), f32x4.splat(-f32.MAX_VALUE), isReal);
    for (let n: usize = 0; n < last; n += 16) four = f32x4.max(four, v128.load(from + n));
    const largest = f32x4.splat(
      max(
        max(f32x4.extract_lane(four, 0), f32x4.extract_lane(four, 1)),
        max(f32x4.extract_lane(four, 2), f32x4.extract_lane(four, 3)),
      ),
    );
    let sums = f32x4.splat(0);
    for (let n: usize = 0; n <= last; n += 16) {
      let e = exp4(f32x4.sub(v128.load(from + n), largest));
      if (n == last) e = v128.and(e, isReal);
      v128.store(to + n, e);
      sums = f32x4.add(sums, e);
    }
    const sum = f32x4.splat(
      f32x4.extract_lane(sums, 0) +
        f32x4.extract_lane(sums, 1) +
        f32x4.extract_lane(sums, 2) +
        f32x4.extract_lane(sums, 3),
    );
    for (let n: usize = 0; n <= last; n += 16) v128.store(to + n, f32x4.div(v128.load(to + n), sum));
  }
}

/** dx (+)= y ∘ (dy - <dy, y>) */
export function softmaxGradient(
  y: usize, ldy: i32, dy: usize, dx: usize, ldx: i32, rows: i32, width: i32, accumulate: i32,
): void {
  const end = shareEnd(rows, 4);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const yRow = y + (<usize>b * ldy << 2), dyRow = dy + (<usize>b * ldy << 2), dxRow = dx + (<usize>b * ldx << 2);
    let dot: f32 = 0;
    for (let n: usize = 0; n < <usize>width << 2; n += 4) dot += load<f32>(yRow + n) * load<f32>(dyRow + n);
    for (let n: usize = 0; n < <usize>width << 2; n += 4) {
      const value = load<f32>(yRow + n) * (load<f32>(dyRow + n) - dot);
      store<f32>(dxRow + n, accumulate ? load<f32>(dxRow + n) + value : value);
    }
  }
}

/** y = x where x > 0, else slope · x, with one slope for all columns. */
export function prelu(x: usize, ldx: i32, slope: usize, y: usize, ldy: i32, rows: i32, columns: i32): void {
  const end = shareEnd(rows, 4);
  const factor = v128.load32_splat(slope);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const from = x + (<usize>b * ldx << 2), to = y + (<usize>b * ldy << 2);
    for (let n: usize = 0; n < <usize>columns << 2; n += 16) {
      const v = v128.load(from + n);
      v128.store(to + n, v128.bitselect(v, f32x4.mul(factor, v), f32x4.gt(v, f32x4.splat(0))));
    }
  }
}

/** dx (+)= dy ∘ (1 or slope) */
export function preluGradient(
  x: usize, ldx: i32, slope: usize, dy: usize, ldy: i32, dx: usize, rows: i32, columns: i32, accumulate: i32,
): void {
  const end = shareEnd(rows, 4);
  const factor = v128.load32_splat(slope);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const xRow = x + (<usize>b * ldx << 2), dyRow = dy + (<usize>b * ldy << 2), dxRow = dx + (<usize>b * ldx << 2);
    for (let n: usize = 0; n < <usize>columns << 2; n += 16) {
      const d = v128.load(dyRow + n);
      put(
        dxRow + n, v128.bitselect(d, f32x4.mul(factor, d), f32x4.gt(v128.load(xRow + n), f32x4.splat(0))), accumulate,
      );
    }
  }
}

/** y = x (p + (1 - p) slope[n]) with p = σ(z), z the normalized x. */
export function dice(
  x: usize, ldx: i32, z: usize, ldz: i32, slope: usize, y: usize, ldy: i32, rows: i32, columns: i32,
): void {
  const end = shareEnd(rows, 4);
  const one = f32x4.splat(1);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const xRow = x + (<usize>b * ldx << 2), zRow = z + (<usize>b * ldz << 2), yRow = y + (<usize>b * ldy << 2);
    for (let n: usize = 0; n < <usize>columns << 2; n += 16) {
      const p = sigmoid4(v128.load(zRow + n));
      const share = f32x4.add(p, f32x4.mul(f32x4.sub(one, p), v128.load(slope + n)));
      v128.store(yRow + n, f32x4.mul(v128.load(xRow + n), share));
    }
  }
}

/** dx (+)= dy (p + (1 - p) slope) and dz = dy x (1 - slope) p (1 - p). */
export function diceGradient(
  x: usize, ldx: i32, z: usize, ldz: i32, slope: usize, dy: usize, ldy: i32, dx: usize, dz: usize, rows: i32,
  columns: i32, accumulate: i32,
): void {
  const end = shareEnd(rows, 4);
  const one = f32x4.splat(1);
  for (let b = shareBegin(rows, 4); b < end; b++) {
    const xRow = x + (<usize>b * ldx << 2), zRow = z + (<usize>b * ldz << 2), dyRow = dy + (<usize>b * ldy << 2);
    const dxRow = dx + (<usize>b * ldx << 2), dzRow = dz + (<usize>b * ldz << 2);
    for (let n: usize = 0; n < <usize>columns << 2; n += 16) {
      const p = sigmoid4(v128.load(zRow + n)), s = v128.load(slope + n), d = v128.load(dyRow + n);
      const q = f32x4.sub(one, p);
      put(dxRow + n, f32x4.mul(d, f32x4.add(p, f32x4.mul(q, s))), accumulate);
      v128.store(
        dzRow + n,
        f32x4.mul(f32x4.mul(f32x4.mul(d, v128.load(xRow + n)), f32x4.sub(one, s)), f32x4.mul(p, q)),
      );
    }
  }
}
