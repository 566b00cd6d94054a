// Stochastic gradient descent, with momentum as Sutskever et al. 2013 and PyTorch have it. Its own constants: learning
// rate,
// momentum, and how much of the gradient and of the momentum a step takes. Without momentum it keeps nothing.

import { OWN, penalized4, updateDense, updateTable } from '../updates';
import { loadUpTo, storeUpTo } from '../vector';

@unmanaged
@final
class Sgd {
  // @ts-ignore: decorator
  @inline
  update(w: usize, s: usize, gap: usize, g: usize, count: i32, constants: usize): void {
    const own = constants + OWN;
    const rate = v128.load32_splat(own), momentum = v128.load32_splat(own, 4);
    const ofGradient = v128.load32_splat(own, 8), ofMomentum = v128.load32_splat(own, 12);
    const hasMomentum = load<f32>(own, 4) > 0;
    const bytes = <usize>count << 2;
    for (let i: usize = 0; i < bytes; i += 16) {
      const left = bytes - i;
      const weight = loadUpTo(w + i, left);
      let step = penalized4(g ? loadUpTo(g + i, left) : f32x4.splat(0), weight, constants);
      if (hasMomentum) {
        const sum = f32x4.add(f32x4.mul(momentum, loadUpTo(s + i, left)), step);
        storeUpTo(s + i, sum, left);
        step = f32x4.add(f32x4.mul(ofGradient, step), f32x4.mul(ofMomentum, sum));
      }
      storeUpTo(w + i, f32x4.sub(weight, f32x4.mul(rate, step)), left);
    }
  }
}

/** SGD on dense weights. */
export function sgdDense(w: usize, s: usize, gap: usize, g: usize, count: i32, constants: usize, refused: usize): void {
  updateDense<Sgd>(w, s, gap, g, count, constants, refused);
}

/** SGD on the rows of a table. */
export function sgdTable(
  table: usize, stride: i32, width: i32, hash: usize, distinct: usize, gradients: usize, countAt: usize,
  constants: usize, refused: usize, tableRows: i32,
): void {
  updateTable<Sgd>(table, stride, width, hash, distinct, gradients, countAt, constants, refused, tableRows);
}
