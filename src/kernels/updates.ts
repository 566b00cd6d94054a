// How an optimizer's rule goes over weights: dense ones in shares, those of a table by distinct rows. A rule is a class
// with one
// method, `update`, which is compiled into each of its two kernels; it has no state, and its instance is the address 0.
//
// update(w, s, gap, g, count, constants): `count` weights at w, their first slot at s and the next ones `gap` bytes on
// each, their
// gradient at g (at 0: all zeros). The first words at `constants` mean the same for every rule (penalized), the rule's
// own follow.

import { hashMask, placeOf } from './tables';
import { isTurn, shareBegin, shareEnd } from './team';

/** Where a rule's own constants begin, in bytes. */
export const OWN: usize = 16;

/**
 * Four gradients as a rule takes them: scaled, brought within ± limit, with λ₂ w + λ₁ sign(w) added; these four are the
 * first
 * constants: scale, λ₁, λ₂, limit.
 */
// @ts-ignore: decorator
@inline
export function penalized4(gradient: v128, w: v128, constants: usize): v128 {
  const limit = v128.load32_splat(constants, 12);
  const g = f32x4.pmin(f32x4.pmax(f32x4.mul(gradient, v128.load32_splat(constants)), f32x4.neg(limit)), limit);
  const sign = f32x4.sub(
    v128.and(f32x4.gt(w, f32x4.splat(0)), f32x4.splat(1)),
    v128.and(f32x4.lt(w, f32x4.splat(0)), f32x4.splat(1)),
  );
  return f32x4.add(
    f32x4.add(g, f32x4.mul(v128.load32_splat(constants, 8), w)),
    f32x4.mul(v128.load32_splat(constants, 4), sign),
  );
}

/** Whether a gradient is taken as it is but for its scale and λ₂ w: what is usual, and half the work. */
// @ts-ignore: decorator
@inline
export function isUsual(constants: usize): bool {
  return load<f32>(constants, 4) == 0 && load<f32>(constants, 12) == Infinity;
}

/** The same for one. */
// @ts-ignore: decorator
@inline
export function penalized(g: f32, w: f32, constants: usize): f32 {
  const sign: f32 = w > 0 ? 1 : w < 0 ? -1 : 0;
  const limit = load<f32>(constants, 12);
  return (
    max(min(g * load<f32>(constants), limit), -limit) + load<f32>(constants, 8) * w + load<f32>(constants, 4) * sign
  );
}

/** Dense weights, shared among workers; nothing where there is a 1 at `refused`. */
// @ts-ignore: decorator
@inline
export function updateDense<Rule>(
  w: usize, s: usize, gap: usize, g: usize, count: i32, constants: usize, refused: usize,
): void {
  if (load<u32>(refused)) return;
  const begin = shareBegin(count, 16);
  const offset = <usize>begin << 2;
  changetype<Rule>(0).update(w + offset, s + offset, gap, g + offset, shareEnd(count, 16) - begin, constants);
}

/** One dense tensor, by the worker whose turn it is: for a rule that looks at all of it. */
// @ts-ignore: decorator
@inline
export function updateTensor<Rule>(
  w: usize, s: usize, gap: usize, g: usize, count: i32, constants: usize, refused: usize, turn: i32,
): void {
  if (load<u32>(refused) || !isTurn(turn)) return;
  changetype<Rule>(0).update(w, s, gap, g, count, constants);
}

/** Rows that are brought into the cache together: so many reads are under way at once. */
export const FETCHED: i32 = 16;
/** Read by nobody; without it the reads that bring rows into the cache would be dropped. */
let touched: u32 = 0;

/** Brings the distinct rows from `begin` to `end` into the cache. */
// @ts-ignore: decorator
@inline
export function fetchRows(table: usize, strideBytes: usize, distinct: usize, begin: i32, end: i32): void {
  for (let u = begin; u < end; u++) {
    const at = table + <usize>load<u32>(distinct + (<usize>u << 2)) * strideBytes;
    for (let line: usize = 0; line < strideBytes; line += 64) touched += load<u32>(at + line);
  }
}

/**
 * The distinct rows of a table that a batch touched, shared among workers; all rows if it is not lazy. A row's weights
 * and what
 * the rule keeps for it lie side by side.
 * @param refused where there is a 1, nothing is updated
 * @param tableRows 0 for lazy
 */
// @ts-ignore: decorator
@inline
export function updateTable<Rule>(
  table: usize, stride: i32, width: i32, hash: usize, distinct: usize, gradients: usize, countAt: usize,
  constants: usize, refused: usize, tableRows: i32,
): void {
  if (load<u32>(refused)) return;
  const count = load<u32>(countAt);
  const bytes = <usize>width << 2, strideBytes = <usize>stride << 2;
  if (tableRows == 0) {
    const stop = shareEnd(count, 1);
    for (let begin = shareBegin(count, 1); begin < stop; begin += FETCHED) {
      const end = min(begin + FETCHED, stop);
      fetchRows(table, strideBytes, distinct, begin, end);
      for (let u = begin; u < end; u++) {
        const at = table + <usize>load<u32>(distinct + (<usize>u << 2)) * strideBytes;
        changetype<Rule>(0).update(at, at + bytes, bytes, gradients + <usize>u * bytes, width, constants);
      }
    }
    return;
  }
  const mask = hashMask(load<i32>(countAt, 8));
  const end = shareEnd(tableRows, 1);
  for (let row = shareBegin(tableRows, 1); row < end; row++) {
    const slot = load<u32>(placeOf(row, hash, mask, distinct));
    const at = table + <usize>row * strideBytes;
    changetype<Rule>(0).update(
      at, at + bytes, bytes, slot < count ? gradients + <usize>slot * bytes : 0, width, constants,
    );
  }
}
