// Whether gradients are finite, and their squares too, which optimizers keep. They are looked at where they are written: by then
// they are in a register, and a step can still be refused.

/** A finite number less itself is 0; anything else leaves NaN here, for good. */
let seen: v128 = f32x4.splat(0);

/** Looks at four numbers. */
// @ts-ignore: decorator
@inline
export function watch4(v: v128): void {
  const square = f32x4.mul(v, v);
  seen = f32x4.add(seen, f32x4.sub(square, square));
}

/** Looks at one number. */
// @ts-ignore: decorator
@inline
export function watch(x: f32): void {
  watch4(f32x4.splat(x));
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
