// FTRL-proximal (McMahan et al. 2013, algorithm 1). Its own constants: α, β, λ1, λ2. It keeps z and the sum of squares
// n; the
// weight follows from them, and is 0 where |z| is at most λ1.

import { OWN, penalized4, updateDense, updateTable } from '../updates';
import { loadUpTo, storeUpTo } from '../vector';

@unmanaged
@final
class Ftrl {
  // @ts-ignore: decorator
  @inline
  update(w: usize, s: usize, gap: usize, g: usize, count: i32, constants: usize): void {
    const own = constants + OWN;
    const rate = v128.load32_splat(own),
      beta = v128.load32_splat(own, 4),
      bound = v128.load32_splat(own, 8),
      ridge = v128.load32_splat(own, 12);
    // The rule divides by the learning rate; at 0 nothing may move.
    if (load<f32>(own) == 0) return;
    const bytes = <usize>count << 2;
    for (let i: usize = 0; i < bytes; i += 16) {
      const left = bytes - i;
      const weight = loadUpTo(w + i, left);
      const gradient = penalized4(g ? loadUpTo(g + i, left) : f32x4.splat(0), weight, constants);
      const before = loadUpTo(s + gap + i, left);
      const squares = f32x4.add(before, f32x4.mul(gradient, gradient));
      const root = f32x4.sqrt(squares);
      const sigma = f32x4.div(f32x4.sub(root, f32x4.sqrt(before)), rate);
      const z = f32x4.sub(f32x4.add(loadUpTo(s + i, left), gradient), f32x4.mul(sigma, weight));
      storeUpTo(s + i, z, left);
      storeUpTo(s + gap + i, squares, left);
      // λ1 with the sign of z.
      const near = v128.or(bound, v128.and(z, f32x4.splat(-0.0)));
      const moved = f32x4.div(f32x4.sub(near, z), f32x4.add(f32x4.div(f32x4.add(beta, root), rate), ridge));
      storeUpTo(w + i, v128.and(moved, f32x4.gt(f32x4.abs(z), bound)), left);
    }
  }
}

/** FTRL-proximal on dense weights. */
export function ftrlDense(
  w: usize, s: usize, gap: usize, g: usize, count: i32, constants: usize, refused: usize,
): void {
  updateDense<Ftrl>(w, s, gap, g, count, constants, refused);
}

/** FTRL-proximal on the rows of a table. */
export function ftrlTable(
  table: usize, stride: i32, width: i32, hash: usize, distinct: usize, gradients: usize, countAt: usize,
  constants: usize, refused: usize, tableRows: i32,
): void {
  updateTable<Ftrl>(table, stride, width, hash, distinct, gradients, countAt, constants, refused, tableRows);
}
