// RMSprop (Tieleman & Hinton 2012) as PyTorch has it. Its own constants: α, 1 - α, ε, learning rate, momentum. Without
// momentum it
// keeps the second moment alone.

import { OWN, penalized4, updateDense, updateTable } from '../updates';
import { loadUpTo, storeUpTo } from '../vector';

@unmanaged
@final
class Rmsprop {
  // @ts-ignore: decorator
  @inline
  update(w: usize, s: usize, gap: usize, g: usize, count: i32, constants: usize): void {
    const own = constants + OWN;
    const alpha = v128.load32_splat(own), rest = v128.load32_splat(own, 4), epsilon = v128.load32_splat(own, 8);
    const rate = v128.load32_splat(own, 12), momentum = v128.load32_splat(own, 16);
    const hasMomentum = load<f32>(own, 16) > 0;
    const bytes = <usize>count << 2;
    for (let i: usize = 0; i < bytes; i += 16) {
      const left = bytes - i;
      const weight = loadUpTo(w + i, left);
      const gradient = penalized4(g ? loadUpTo(g + i, left) : f32x4.splat(0), weight, constants);
      const second = f32x4.add(f32x4.mul(alpha, loadUpTo(s + i, left)), f32x4.mul(rest, f32x4.mul(gradient, gradient)));
      storeUpTo(s + i, second, left);
      let step = f32x4.div(gradient, f32x4.add(f32x4.sqrt(second), epsilon));
      if (hasMomentum) {
        step = f32x4.add(f32x4.mul(momentum, loadUpTo(s + gap + i, left)), step);
        storeUpTo(s + gap + i, step, left);
      }
      storeUpTo(w + i, f32x4.sub(weight, f32x4.mul(rate, step)), left);
    }
  }
}

/** RMSprop on dense weights. */
export function rmspropDense(
  w: usize, s: usize, gap: usize, g: usize, count: i32, constants: usize, refused: usize,
): void {
  updateDense<Rmsprop>(w, s, gap, g, count, constants, refused);
}

/** RMSprop on the rows of a table. */
export function rmspropTable(
  table: usize, stride: i32, width: i32, hash: usize, distinct: usize, gradients: usize, countAt: usize,
  constants: usize, refused: usize, tableRows: i32,
): void {
  updateTable<Rmsprop>(table, stride, width, hash, distinct, gradients, countAt, constants, refused, tableRows);
}
