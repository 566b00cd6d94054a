// LAMB (You et al. 2020, algorithm 2, with φ(z) = z), over a whole tensor. Its own constants: 1 - β1, β2, 1 - β2, 1/(1
// - β1^t),
// 1/√(1 - β2^t), ε, weight decay, learning rate.

import { OWN, penalized4, updateTable, updateTensor } from '../updates';
import { loadUpTo, storeUpTo } from '../vector';

@unmanaged
@final
class Lamb {
  // @ts-ignore: decorator
  @inline
  update(w: usize, s: usize, gap: usize, g: usize, count: i32, constants: usize): void {
    const own = constants + OWN;
    const a = v128.load32_splat(own), b2 = v128.load32_splat(own, 4), c = v128.load32_splat(own, 8);
    const m = s, v = s + gap;
    const bytes = <usize>count << 2;
    let weights = f64x2.splat(0), steps = f64x2.splat(0);
    for (let i: usize = 0; i < bytes; i += 16) {
      const left = bytes - i;
      const weight = loadUpTo(w + i, left);
      const gradient = penalized4(g ? loadUpTo(g + i, left) : f32x4.splat(0), weight, constants);
      const before = loadUpTo(m + i, left);
      const first = f32x4.add(before, f32x4.mul(a, f32x4.sub(gradient, before)));
      const second = f32x4.add(f32x4.mul(b2, loadUpTo(v + i, left)), f32x4.mul(c, f32x4.mul(gradient, gradient)));
      storeUpTo(m + i, first, left);
      storeUpTo(v + i, second, left);
      weights = addSquares(weights, weight);
      steps = addSquares(steps, stepOf(first, second, weight, own));
    }
    const ofWeights = Math.sqrt(f64x2.extract_lane(weights, 0) + f64x2.extract_lane(weights, 1));
    const ofSteps = Math.sqrt(f64x2.extract_lane(steps, 0) + f64x2.extract_lane(steps, 1));
    const ratio: f64 = ofWeights > 0 && ofSteps > 0 ? ofWeights / ofSteps : 1;
    const size = f32x4.splat(<f32>(<f64>load<f32>(own, 28) * ratio));
    for (let i: usize = 0; i < bytes; i += 16) {
      const left = bytes - i;
      const weight = loadUpTo(w + i, left);
      const step = stepOf(loadUpTo(m + i, left), loadUpTo(v + i, left), weight, own);
      storeUpTo(w + i, f32x4.sub(weight, f32x4.mul(size, step)), left);
    }
  }
}

/** The corrected first moment by the root of the second, and decay. */
// @ts-ignore: decorator
@inline
function stepOf(first: v128, second: v128, weight: v128, own: usize): v128 {
  const root = f32x4.add(f32x4.mul(f32x4.sqrt(second), v128.load32_splat(own, 16)), v128.load32_splat(own, 20));
  return f32x4.add(
    f32x4.div(f32x4.mul(first, v128.load32_splat(own, 12)), root),
    f32x4.mul(v128.load32_splat(own, 24), weight),
  );
}

/** Two sums, in double precision, and the squares of four floats. */
// @ts-ignore: decorator
@inline
function addSquares(sums: v128, x: v128): v128 {
  const low = f64x2.promote_low_f32x4(x), high = f64x2.promote_low_f32x4(v128.shuffle<f32>(x, x, 2, 3, 2, 3));
  return f64x2.add(sums, f64x2.add(f64x2.mul(low, low), f64x2.mul(high, high)));
}

/** LAMB on a dense tensor. */
export function lambTensor(
  w: usize, s: usize, gap: usize, g: usize, count: i32, constants: usize, refused: usize, turn: i32,
): void {
  updateTensor<Lamb>(w, s, gap, g, count, constants, refused, turn);
}

/** LAMB on the rows of a table, each a tensor of its own. */
export function lambTable(
  table: usize, stride: i32, width: i32, hash: usize, distinct: usize, gradients: usize, countAt: usize,
  constants: usize, refused: usize, tableRows: i32,
): void {
  updateTable<Lamb>(table, stride, width, hash, distinct, gradients, countAt, constants, refused, tableRows);
}
