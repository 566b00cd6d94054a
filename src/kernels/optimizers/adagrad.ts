// Adagrad (Duchi et al. 2011). Its own constants: learning rate, ε.

import { OWN, penalized4, updateDense, updateTable } from '../updates';
import { loadUpTo, storeUpTo } from '../vector';

@unmanaged
@final
class Adagrad {
  // @ts-ignore: decorator
  @inline
  update(w: usize, s: usize, gap: usize, g: usize, count: i32, constants: usize): void {
    const rate = v128.load32_splat(constants + OWN), epsilon = v128.load32_splat(constants + OWN, 4);
    const bytes = <usize>count << 2;
    for (let i: usize = 0; i < bytes; i += 16) {
      const left = bytes - i;
      const weight = loadUpTo(w + i, left);
      const gradient = penalized4(g ? loadUpTo(g + i, left) : f32x4.splat(0), weight, constants);
      const squares = f32x4.add(loadUpTo(s + i, left), f32x4.mul(gradient, gradient));
      storeUpTo(s + i, squares, left);
      storeUpTo(
        w + i, f32x4.sub(weight, f32x4.div(f32x4.mul(rate, gradient), f32x4.add(f32x4.sqrt(squares), epsilon))), left,
      );
    }
  }
}

/** Adagrad on dense weights. */
export function adagradDense(
  w: usize, s: usize, gap: usize, g: usize, count: i32, constants: usize, refused: usize,
): void {
  updateDense<Adagrad>(w, s, gap, g, count, constants, refused);
}

/** Adagrad on the rows of a table. */
export function adagradTable(
  table: usize, stride: i32, width: i32, hash: usize, distinct: usize, gradients: usize, countAt: usize,
  constants: usize, refused: usize, tableRows: i32,
): void {
  updateTable<Adagrad>(table, stride, width, hash, distinct, gradients, countAt, constants, refused, tableRows);
}
