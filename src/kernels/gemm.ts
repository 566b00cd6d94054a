// Matrix products. B rows of a batch, K inputs, N outputs. Weights lie in panels of 8 columns: P[N/8][K][8], zero
// beyond N.
// Every output is summed by one worker in one order, so results do not depend on the number of workers.

import { keep, look } from './finite';
import { shareBegin, shareEnd } from './team';
import { multiplyAdd } from './vector';

/** Floats that the first cache holds with something to spare. */
const CACHE_FLOATS: i32 = 10_240;

/**
 * C[b, 8·panels] = A[b, K] · P + bias; rows are shared among workers. The bias comes last: small products lose their
 * last
 * digits to a large one that they are added to.
 * @param bias 8·panels floats, or 0 for none
 * @param accumulate whether the product is added to C
 */
export function gemm(
  a: usize, lda: i32, panelsAt: usize, bias: usize, c: usize, ldc: i32, rows: i32, k: i32, panels: i32, accumulate: i32,
): void {
  const begin = shareBegin(rows, 4);
  const end = shareEnd(rows, 4);
  const strideA = <usize>lda << 2;
  const strideC = <usize>ldc << 2;
  const panelBytes = <usize>k << 5;
  const zero = f32x4.splat(0);
  // As many rows at a time as fit the first cache beside a panel, so that each panel is read once for all of them.
  const block = min(64, max(4, (CACHE_FLOATS / k - 8) & ~3));
  const wholeEnd = begin + ((end - begin) & ~3);
  for (let first = begin; first < wholeEnd; first += block) {
    const last = min(first + block, wholeEnd);
    for (let p = 0; p < panels; p++) {
      const panel = panelsAt + <usize>p * panelBytes,
        stop = panel + panelBytes;
      const b0 = bias ? v128.load(bias + (<usize>p << 5)) : zero,
        b1 = bias ? v128.load(bias + (<usize>p << 5), 16) : zero;
      for (let b = first; b < last; b += 4) {
        let s00 = zero, s01 = zero, s10 = zero, s11 = zero, s20 = zero, s21 = zero, s30 = zero, s31 = zero;
        let x0 = a + <usize>b * strideA, x1 = x0 + strideA, x2 = x1 + strideA, x3 = x2 + strideA;
        let w = panel;
        while (w < stop) {
          const w0 = v128.load(w), w1 = v128.load(w, 16);
          w += 32;
          let x = v128.load32_splat(x0);
          s00 = multiplyAdd(x, w0, s00); s01 = multiplyAdd(x, w1, s01);
          x = v128.load32_splat(x1);
          s10 = multiplyAdd(x, w0, s10); s11 = multiplyAdd(x, w1, s11);
          x = v128.load32_splat(x2);
          s20 = multiplyAdd(x, w0, s20); s21 = multiplyAdd(x, w1, s21);
          x = v128.load32_splat(x3);
          s30 = multiplyAdd(x, w0, s30); s31 = multiplyAdd(x, w1, s31);
          x0 += 4; x1 += 4; x2 += 4; x3 += 4;
        }
        const out = c + <usize>b * strideC + (<usize>p << 5);
        put(out, f32x4.add(s00, b0), f32x4.add(s01, b1), accumulate);
        put(out + strideC, f32x4.add(s10, b0), f32x4.add(s11, b1), accumulate);
        put(out + 2 * strideC, f32x4.add(s20, b0), f32x4.add(s21, b1), accumulate);
        put(out + 3 * strideC, f32x4.add(s30, b0), f32x4.add(s31, b1), accumulate);
      }
    }
  }
  for (let b = wholeEnd; b < end; b++) {
    let out = c + <usize>b * strideC;
    let w = panelsAt;
    for (let p = 0; p < panels; p++) {
      const b0 = bias ? v128.load(bias + (<usize>p << 5)) : zero,
        b1 = bias ? v128.load(bias + (<usize>p << 5), 16) : zero;
      let s0 = zero,
        s1 = zero;
      let x0 = a + <usize>b * strideA;
      const stop = w + panelBytes;
      while (w < stop) {
        const x = v128.load32_splat(x0);
        s0 = multiplyAdd(x, v128.load(w), s0);
        s1 = multiplyAdd(x, v128.load(w, 16), s1);
        w += 32;
        x0 += 4;
      }
      put(out, f32x4.add(s0, b0), f32x4.add(s1, b1), accumulate);
      out += 32;
    }
  }
}

/** Puts eight sums, or adds them to what is there. */
// @ts-ignore: decorator
@inline
export function put(out: usize, low: v128, high: v128, accumulate: i32): void {
  if (accumulate) {
    low = f32x4.add(low, v128.load(out));
    high = f32x4.add(high, v128.load(out, 16));
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

/** Rows whose inputs and gradients stay in the second cache while all panels pass; an even number. */
export const BLOCK_ROWS: i32 = 128;

/** Four sums where they go on, zeros where they begin. */
// @ts-ignore: decorator
@inline
export function sumsAt(at: usize, goesOn: bool): v128 {
  return goesOn ? v128.load(at) : f32x4.splat(0);
}

/** Puts eight sums where they go on, or, where they are whole, looks whether they are finite. */
// @ts-ignore: decorator
@inline
export function putSums(out: usize, low: v128, high: v128, isWhole: bool): void {
  v128.store(out, low);
  v128.store(out, high, 16);
  if (isWhole) keep(look(look(f32x4.splat(0), low), high));
}

/**
 * G[panel][k][8] = sum over b of X[b, k] · D[b, 8 columns]: the gradient of weights, in their own layout; inputs k are
 * shared among workers. Sums lie in G from one block of rows to the next, so their order is that of the rows.
 * @param accumulate whether the sums begin with what is in G
 */
export function gemmGradient(
  x: usize, ldx: i32, d: usize, ldd: i32, g: usize, rows: i32, k: i32, panels: i32, accumulate: i32,
): void {
  const begin = shareBegin(k, 4);
  const end = shareEnd(k, 4);
  const strideX = <usize>ldx << 2;
  const strideD = <usize>ldd << 2;
  let first = 0;
  do {
    const count = min(BLOCK_ROWS, rows - first);
    const goesOn = accumulate != 0 || first > 0, isWhole = first + count == rows;
    const xBlock = x + <usize>first * strideX, dBlock = d + <usize>first * strideD;
    for (let p = 0; p < panels; p++) {
      let i = begin;
      for (; i + 4 <= end; i += 4) {
        const out = g + ((<usize>p * k + i) << 5);
        let s00 = sumsAt(out, goesOn),
          s01 = sumsAt(out + 16, goesOn),
          s10 = sumsAt(out + 32, goesOn),
          s11 = sumsAt(out + 48, goesOn);
        let s20 = sumsAt(out + 64, goesOn),
          s21 = sumsAt(out + 80, goesOn),
          s30 = sumsAt(out + 96, goesOn),
          s31 = sumsAt(out + 112, goesOn);
        let xb = xBlock + (<usize>i << 2);
        let db = dBlock + (<usize>p << 5);
        for (let b = 0; b < count; b++) {
          const d0 = v128.load(db), d1 = v128.load(db, 16);
          let v = v128.load32_splat(xb);
          s00 = multiplyAdd(v, d0, s00); s01 = multiplyAdd(v, d1, s01);
          v = v128.load32_splat(xb, 4);
          s10 = multiplyAdd(v, d0, s10); s11 = multiplyAdd(v, d1, s11);
          v = v128.load32_splat(xb, 8);
          s20 = multiplyAdd(v, d0, s20); s21 = multiplyAdd(v, d1, s21);
          v = v128.load32_splat(xb, 12);
          s30 = multiplyAdd(v, d0, s30); s31 = multiplyAdd(v, d1, s31);
          xb += strideX;
          db += strideD;
        }
        putSums(out, s00, s01, isWhole);
        putSums(out + 32, s10, s11, isWhole);
        putSums(out + 64, s20, s21, isWhole);
        putSums(out + 96, s30, s31, isWhole);
      }
      for (; i < end; i++) {
        const out = g + ((<usize>p * k + i) << 5);
        let s0 = sumsAt(out, goesOn), s1 = sumsAt(out + 16, goesOn);
        let xb = xBlock + (<usize>i << 2);
        let db = dBlock + (<usize>p << 5);
        for (let b = 0; b < count; b++) {
          const v = v128.load32_splat(xb);
          s0 = multiplyAdd(v, v128.load(db), s0);
          s1 = multiplyAdd(v, v128.load(db, 16), s1);
          xb += strideX;
          db += strideD;
        }
        putSums(out, s0, s1, isWhole);
      }
    }
    first += count;
  } while (first < rows);
}

/**
 * T[K/8][8·panels][8]: the weights turned round, in panels of 8 inputs, for the gradient of the input; zero beyond K.
 */
export function transposePanels(p: usize, t: usize, k: i32, panels: i32): void {
  const inputPanels = (k + 7) >> 3;
  const outputs = panels << 3;
  const end = shareEnd(inputPanels, 1);
  for (let q = shareBegin(inputPanels, 1); q < end; q++) {
    const inputs = min(8, k - (q << 3));
    for (let n = 0; n < outputs; n++) {
      const from = p + ((((<usize>(n >> 3)) * k + (q << 3)) << 3) + (n & 7) << 2);
      const to = t + ((<usize>q * outputs + n) << 5);
      for (let j = 0; j < inputs; j++) store<f32>(to + (j << 2), load<f32>(from + (<usize>j << 5)));
    }
  }
}
