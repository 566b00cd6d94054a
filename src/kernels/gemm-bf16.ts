// Matrix products as in gemm.ts, of operands that are rounded to bfloat16: what AVX-512's VDPBF16PS comes to, to the
// bit. It takes pairs of
// neighbors and adds the product of the second one first. A product of two such numbers is exact in single precision,
// so it is all the
// same whether it is fused with its addition; and since those below 2^-56 count as 0, no sum is a denormal number.

import { BLOCK_ROWS, put, putSums, sumsAt } from './gemm';
import { shareBegin, shareEnd } from './team';
import { multiplyAdd } from './vector';

const MIN_MAGNITUDE: f32 = 1.3877787807814457e-17;

/** To the nearest of 8 significant bits, ties to even; the smallest to 0. What is no number stays none. */
// @ts-ignore: decorator
@inline
function rounded(x: v128): v128 {
  const half = i32x4.add(i32x4.splat(0x7fff), v128.and(i32x4.shr_u(x, 16), i32x4.splat(1)));
  const near = v128.and(i32x4.add(x, half), i32x4.splat(0xffff0000));
  return v128.or(v128.andnot(near, f32x4.lt(f32x4.abs(x), f32x4.splat(MIN_MAGNITUDE))), f32x4.ne(x, x));
}

/** The n-th of `count` that is added: neighbors change places, but for one that has none. */
// @ts-ignore: decorator
@inline
function turn(n: i32, count: i32): usize {
  return <usize>min(n ^ 1, count - 1);
}

/** C[b, 8·panels] = A[b, K] · P + bias, as gemm has it. */
export function gemmBf16(
  a: usize, lda: i32, panelsAt: usize, bias: usize, c: usize, ldc: i32, rows: i32, k: i32, panels: i32, accumulate: i32,
): void {
  const end = shareEnd(rows, 4);
  const strideA = <usize>lda << 2, strideC = <usize>ldc << 2;
  const zero = f32x4.splat(0);
  for (let b = shareBegin(rows, 4); b < end; b += 4) {
    const x0 = a + <usize>b * strideA;
    // Fewer than four rows are the last one again, which is written once.
    const count = min(4, end - b);
    const x1 = x0 + <usize>min(1, count - 1) * strideA,
      x2 = x0 + <usize>min(2, count - 1) * strideA,
      x3 = x0 + <usize>min(3, count - 1) * strideA;
    for (let p = 0; p < panels; p++) {
      const panel = panelsAt + ((<usize>p * k) << 5);
      let s00 = zero, s01 = zero, s10 = zero, s11 = zero, s20 = zero, s21 = zero, s30 = zero, s31 = zero;
      for (let n = 0; n < k; n++) {
        const j = turn(n, k), at = j << 2, w = panel + (j << 5);
        const w0 = rounded(v128.load(w)), w1 = rounded(v128.load(w, 16));
        let x = rounded(v128.load32_splat(x0 + at));
        s00 = multiplyAdd(x, w0, s00); s01 = multiplyAdd(x, w1, s01);
        x = rounded(v128.load32_splat(x1 + at));
        s10 = multiplyAdd(x, w0, s10); s11 = multiplyAdd(x, w1, s11);
        x = rounded(v128.load32_splat(x2 + at));
        s20 = multiplyAdd(x, w0, s20); s21 = multiplyAdd(x, w1, s21);
        x = rounded(v128.load32_splat(x3 + at));
        s30 = multiplyAdd(x, w0, s30); s31 = multiplyAdd(x, w1, s31);
      }
      const b0 = bias ? v128.load(bias + (<usize>p << 5)) : zero,
        b1 = bias ? v128.load(bias + (<usize>p << 5), 16) : zero;
      const out = c + <usize>b * strideC + (<usize>p << 5);
      put(out, f32x4.add(s00, b0), f32x4.add(s01, b1), accumulate);
      if (count > 1) put(out + strideC, f32x4.add(s10, b0), f32x4.add(s11, b1), accumulate);
      if (count > 2) put(out + 2 * strideC, f32x4.add(s20, b0), f32x4.add(s21, b1), accumulate);
      if (count > 3) put(out + 3 * strideC, f32x4.add(s30, b0), f32x4.add(s31, b1), accumulate);
    }
  }
}

/** G[panel][k][8] = sum over b of X[b, k] · D[b, 8 columns], as gemmGradient has it. */
export function gemmGradientBf16(
  x: usize, ldx: i32, d: usize, ldd: i32, g: usize, rows: i32, k: i32, panels: i32, accumulate: i32,
): void {
  const end = shareEnd(k, 4);
  const strideX = <usize>ldx << 2, strideD = <usize>ldd << 2;
  let first = 0;
  do {
    const count = min(BLOCK_ROWS, rows - first);
    const goesOn = accumulate != 0 || first > 0, isWhole = first + count == rows;
    const xBlock = x + <usize>first * strideX, dBlock = d + <usize>first * strideD;
    for (let p = 0; p < panels; p++) {
      const db = dBlock + (<usize>p << 5);
      for (let i = shareBegin(k, 4); i < end; i += 4) {
        const out = g + ((<usize>p * k + i) << 5);
        // Fewer than four inputs are the last one again, which is written once.
        const inputs = min(4, end - i);
        const i1 = <usize>min(1, inputs - 1) << 2,
          i2 = <usize>min(2, inputs - 1) << 2,
          i3 = <usize>min(3, inputs - 1) << 2;
        const o1 = out + (i1 << 3),
          o2 = out + (i2 << 3),
          o3 = out + (i3 << 3);
        let s00 = sumsAt(out, goesOn),
          s01 = sumsAt(out + 16, goesOn),
          s10 = sumsAt(o1, goesOn),
          s11 = sumsAt(o1 + 16, goesOn);
        let s20 = sumsAt(o2, goesOn),
          s21 = sumsAt(o2 + 16, goesOn),
          s30 = sumsAt(o3, goesOn),
          s31 = sumsAt(o3 + 16, goesOn);
        const xb = xBlock + (<usize>i << 2);
        for (let n = 0; n < count; n++) {
          const b = turn(n, count), at = xb + b * strideX, row = db + b * strideD;
          const d0 = rounded(v128.load(row)), d1 = rounded(v128.load(row, 16));
          let v = rounded(v128.load32_splat(at));
          s00 = multiplyAdd(v, d0, s00); s01 = multiplyAdd(v, d1, s01);
          v = rounded(v128.load32_splat(at + i1));
          s10 = multiplyAdd(v, d0, s10); s11 = multiplyAdd(v, d1, s11);
          v = rounded(v128.load32_splat(at + i2));
          s20 = multiplyAdd(v, d0, s20); s21 = multiplyAdd(v, d1, s21);
          v = rounded(v128.load32_splat(at + i3));
          s30 = multiplyAdd(v, d0, s30); s31 = multiplyAdd(v, d1, s31);
        }
        putSums(out, s00, s01, isWhole);
        if (inputs > 1) putSums(o1, s10, s11, isWhole);
        if (inputs > 2) putSums(o2, s20, s21, isWhole);
        if (inputs > 3) putSums(o3, s30, s31, isWhole);
      }
    }
    first += count;
  } while (first < rows);
}
