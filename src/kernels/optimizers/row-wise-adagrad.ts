// Adagrad with one number a row: the sum of the mean squares of its gradients. Its own constants: learning rate, ε.

import { OWN, penalized4, updateTable } from '../updates';
import { loadUpTo, storeUpTo } from '../vector';

@unmanaged
@final
class RowWiseAdagrad {
  // @ts-ignore: decorator
  @inline
  update(w: usize, s: usize, gap: usize, g: usize, count: i32, constants: usize): void {
    const own = constants + OWN;
    const bytes = <usize>count << 2;
    let sums = f32x4.splat(0);
    for (let i: usize = 0; i < bytes; i += 16) {
      const left = bytes - i;
      const gradient = penalized4(g ? loadUpTo(g + i, left) : f32x4.splat(0), loadUpTo(w + i, left), constants);
      sums = f32x4.add(sums, f32x4.mul(gradient, gradient));
    }
    const sum =
      f32x4.extract_lane(sums, 0) +
      f32x4.extract_lane(sums, 1) +
      f32x4.extract_lane(sums, 2) +
      f32x4.extract_lane(sums, 3);
    const squares = load<f32>(s) + sum / <f32>count;
    store<f32>(s, squares);
    const size = f32x4.splat(load<f32>(own) / (Mathf.sqrt(squares) + load<f32>(own, 4)));
    for (let i: usize = 0; i < bytes; i += 16) {
      const left = bytes - i;
      const weight = loadUpTo(w + i, left);
      const gradient = penalized4(g ? loadUpTo(g + i, left) : f32x4.splat(0), weight, constants);
      storeUpTo(w + i, f32x4.sub(weight, f32x4.mul(size, gradient)), left);
    }
  }
}

/** Row-wise Adagrad on the rows of a table. */
export function rowWiseAdagradTable(
  table: usize, stride: i32, width: i32, hash: usize, distinct: usize, gradients: usize, countAt: usize,
  constants: usize, refused: usize, tableRows: i32,
): void {
  updateTable<RowWiseAdagrad>(table, stride, width, hash, distinct, gradients, countAt, constants, refused, tableRows);
}
