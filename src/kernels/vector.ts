// Four floats at a time.

/** a·b + c, fused where the build has relaxed SIMD. */
// @ts-ignore: decorator
@inline
export function multiplyAdd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** e^x to 2 units in the last place (Moshier's Cephes, expf). */
// @ts-ignore: decorator
@inline
export function exp4(value: v128): v128 {
  const x = f32x4.min(f32x4.max(value, f32x4.splat(-87.33654)), f32x4.splat(88.72283));
  const n = f32x4.floor(f32x4.add(f32x4.mul(x, f32x4.splat(1.44269504088896341)), f32x4.splat(0.5)));
  const r = f32x4.sub(f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375))), f32x4.mul(n, f32x4.splat(-2.12194440e-4)));
  let p = f32x4.splat(1.9875691500e-4);
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.3981999507e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.0000001201e-1));
  const y = f32x4.add(f32x4.add(f32x4.mul(f32x4.mul(p, r), r), r), f32x4.splat(1));
  // 2^n in two factors, since n runs from -126 to 128.
  const half = i32x4.shr_s(i32x4.trunc_sat_f32x4_s(n), 1);
  const rest = i32x4.sub(i32x4.trunc_sat_f32x4_s(n), half);
  return f32x4.mul(f32x4.mul(y, power(half)), power(rest));
}

// @ts-ignore: decorator
@inline
function power(n: v128): v128 {
  return i32x4.shl(i32x4.add(n, i32x4.splat(127)), 23);
}

/** 1 / (1 + e^-x) */
// @ts-ignore: decorator
@inline
export function sigmoid4(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(x))));
}

/** The four floats at `at`; where fewer than 16 bytes are left, those, and zeros behind them. */
// @ts-ignore: decorator
@inline
export function loadUpTo(at: usize, left: usize): v128 {
  if (left >= 16) return v128.load(at);
  if (left == 4) return v128.load32_zero(at);
  const two = v128.load64_zero(at);
  return left == 8 ? two : v128.load32_lane(at + 8, two, 2);
}

/** Stores four floats, or as many as are left. */
// @ts-ignore: decorator
@inline
export function storeUpTo(at: usize, v: v128, left: usize): void {
  if (left >= 16) v128.store(at, v);
  else {
    if (left == 4) v128.store32_lane(at, v, 0);
    else v128.store64_lane(at, v, 0);
    if (left == 12) v128.store32_lane(at + 8, v, 2);
  }
}
