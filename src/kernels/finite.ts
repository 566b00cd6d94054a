// Whether gradients are finite, and their squares too, which optimizers keep. They are looked at where they are
// written: by then
// they are in a register, and a step can still be refused.

import { multiplyAdd } from './vector';

/** What this worker has seen: 0 while squares were finite, NaN for good from then on. */
let seen: v128 = f32x4.splat(0);

/** 2^64: a number whose square is not finite becomes infinite by it. */
const ROOT: f32 = 1.8446744073709552e19;

/** What was seen, with four numbers more: 0 · ∞ is NaN. For loops, which keep it in a register until `keep`. */
// @ts-ignore: decorator
@inline
export function look(before: v128, v: v128): v128 {
  return multiplyAdd(f32x4.mul(v, f32x4.splat(ROOT)), f32x4.splat(0), before);
}

/** Keeps what a loop has seen. */
// @ts-ignore: decorator
@inline
export function keep(found: v128): void {
  seen = f32x4.add(seen, found);
}

/** Looks at four numbers. */
// @ts-ignore: decorator
@inline
export function watch4(v: v128): void {
  seen = look(seen, v);
}

/** Looks at one number. */
// @ts-ignore: decorator
@inline
export function watch(x: f32): void {
  watch4(f32x4.splat(x));
}

/** Keeps that a kernel outside of this module has seen such a number. */
export function noteNotFinite(): void {
  seen = f32x4.splat(NaN);
}

/** Puts 1 at `refused` where this worker has seen a number whose square is not finite since it was last asked. */
export function refuseUnlessFinite(refused: usize): void {
  if (v128.any_true(f32x4.ne(seen, seen))) store<u32>(refused, 1);
  seen = f32x4.splat(0);
}

/** Looks at `count` gradients that were not computed by a kernel. */
export function watchAll(numbers: usize, count: i32): void {
  for (let i = 0; i < count; i++) watch(load<f32>(numbers + (<usize>i << 2)));
}
