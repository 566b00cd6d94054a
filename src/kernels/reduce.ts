// Between the way back and the update: products between the gradients of terms, their combination, and the gradient's
// norm.

import { isFirst, isTurn, shareBegin, shareEnd } from './team';

/** Floats that are summed in single precision; the sums of these are added up in double precision. */
const BLOCK: i32 = 64;

/** How many floats there are: `count`, or that of a table's distinct rows times its width. */
// @ts-ignore: decorator
@inline
function sizeOf(count: i32, countAt: usize): i32 {
  return countAt ? count * load<i32>(countAt) : count;
}

/**
 * <g_i, g_j> for all areas i ≤ j of some gradients, row by row of the triangle, as doubles to `out`; by the worker
 * whose turn it is.
 * @param count floats, or where `countAt` is not 0 floats for each of as many rows
 */
export function products(
  g: usize, areaBytes: usize, areas: i32, count: i32, countAt: usize, out: usize, turn: i32,
): void {
  if (!isTurn(turn)) return;
  const size = sizeOf(count, countAt);
  let to = out;
  for (let i = 0; i < areas; i++) {
    for (let j = i; j < areas; j++) {
      store<f64>(to, product(g + <usize>i * areaBytes, g + <usize>j * areaBytes, size));
      to += 8;
    }
  }
}

function product(a: usize, b: usize, count: i32): f64 {
  let total: f64 = 0;
  for (let begin = 0; begin < count; begin += BLOCK) {
    const stop = <usize>min(begin + BLOCK, count) << 2;
    let at = <usize>begin << 2;
    let sum = f32x4.splat(0);
    for (; at + 16 <= stop; at += 16) sum = f32x4.add(sum, f32x4.mul(v128.load(a + at), v128.load(b + at)));
    total +=
      <f64>f32x4.extract_lane(sum, 0) +
      <f64>f32x4.extract_lane(sum, 1) +
      <f64>f32x4.extract_lane(sum, 2) +
      <f64>f32x4.extract_lane(sum, 3);
    for (; at < stop; at += 4) total += <f64>load<f32>(a + at) * <f64>load<f32>(b + at);
  }
  return total;
}

/** The first area = Σ weight of an area · area; shared among workers. Sizes are those of `products`. */
export function combine(g: usize, areaBytes: usize, areas: i32, count: i32, countAt: usize, weights: usize): void {
  const size = sizeOf(count, countAt);
  const end = shareEnd(size, 16);
  for (let i = shareBegin(size, 16); i < end; i++) {
    const at = g + (<usize>i << 2);
    let sum: f32 = 0;
    for (let area = 0; area < areas; area++)
      sum += load<f32>(weights + (<usize>area << 2)) * load<f32>(at + <usize>area * areaBytes);
    store<f32>(at, sum);
  }
}

/** total = g where the step is fresh, else total + g; shared among workers. */
export function accumulate(g: usize, total: usize, count: i32, fresh: usize): void {
  const isFresh = load<u32>(fresh);
  const end = shareEnd(count, 16);
  for (let i = shareBegin(count, 16); i < end; i++) {
    const at = <usize>i << 2;
    store<f32>(total + at, isFresh ? load<f32>(g + at) : load<f32>(total + at) + load<f32>(g + at));
  }
}

/**
 * The norm of gradients from the products of their parts with themselves, a double to `norm`; and the scale that brings
 * it down to
 * `most`, to both scales. By the first worker.
 */
export function clipNorm(sums: usize, count: i32, most: f64, norm: usize, scale: usize, otherScale: usize): void {
  if (!isFirst()) return;
  let square: f64 = 0;
  for (let i = 0; i < count; i++) square += load<f64>(sums + (<usize>i << 3));
  const root = Math.sqrt(square);
  store<f64>(norm, root);
  const factor = <f32>(root > most ? most / root : 1);
  store<f32>(scale, factor);
  store<f32>(otherScale, factor);
}
