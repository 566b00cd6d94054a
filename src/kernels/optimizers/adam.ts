// Adam (Kingma & Ba 2015). Its own constants: 1 - β1, β2, 1 - β2, step size, 1/√(1 - β2^t), ε, and the share of a
// weight that decays
// apart from the gradient (Loshchilov & Hutter 2019).

import { isUsual, OWN, penalized, penalized4, updateDense, updateTable } from '../updates';

@unmanaged
@final
class Adam {
  // @ts-ignore: decorator
  @inline
  update(w: usize, s: usize, gap: usize, g: usize, count: i32, constants: usize): void {
    const own = constants + OWN;
    const a = v128.load32_splat(own), b2 = v128.load32_splat(own, 4), c = v128.load32_splat(own, 8);
    const size = v128.load32_splat(own, 12), root = v128.load32_splat(own, 16), epsilon = v128.load32_splat(own, 20);
    const kept = f32x4.sub(f32x4.splat(1), v128.load32_splat(own, 24));
    const m = s, v = s + gap;
    const usual = isUsual(constants), scale = v128.load32_splat(constants), l2 = v128.load32_splat(constants, 8);
    let i: usize = 0;
    const end = <usize>count << 2;
    for (; i + 16 <= end; i += 16) {
      const weight = v128.load(w + i);
      const raw = g ? v128.load(g + i) : f32x4.splat(0);
      const gradient = usual
        ? f32x4.add(f32x4.mul(raw, scale), f32x4.mul(l2, weight))
        : penalized4(raw, weight, constants);
      const first = f32x4.add(v128.load(m + i), f32x4.mul(a, f32x4.sub(gradient, v128.load(m + i))));
      const second = f32x4.add(f32x4.mul(b2, v128.load(v + i)), f32x4.mul(c, f32x4.mul(gradient, gradient)));
      v128.store(m + i, first);
      v128.store(v + i, second);
      v128.store(
        w + i,
        f32x4.sub(
          f32x4.mul(weight, kept),
          f32x4.div(f32x4.mul(size, first), f32x4.add(f32x4.mul(f32x4.sqrt(second), root), epsilon)),
        ),
      );
    }
    for (; i < end; i += 4) {
      const weight = load<f32>(w + i);
      const gradient = penalized(g ? load<f32>(g + i) : <f32>0, weight, constants);
      const first = load<f32>(m + i) + load<f32>(own) * (gradient - load<f32>(m + i));
      const second = load<f32>(own, 4) * load<f32>(v + i) + load<f32>(own, 8) * (gradient * gradient);
      store<f32>(m + i, first);
      store<f32>(v + i, second);
      store<f32>(
        w + i,
        weight * (<f32>1 - load<f32>(own, 24)) -
          (load<f32>(own, 12) * first) / (Mathf.sqrt(second) * load<f32>(own, 16) + load<f32>(own, 20)),
      );
    }
  }
}

/** Adam on dense weights. */
export function adamDense(
  w: usize, s: usize, gap: usize, g: usize, count: i32, constants: usize, refused: usize,
): void {
  updateDense<Adam>(w, s, gap, g, count, constants, refused);
}

/** Adam on the rows of a table. */
export function adamTable(
  table: usize, stride: i32, width: i32, hash: usize, distinct: usize, gradients: usize, countAt: usize,
  constants: usize, refused: usize, tableRows: i32,
): void {
  updateTable<Adam>(table, stride, width, hash, distinct, gradients, countAt, constants, refused, tableRows);
}
