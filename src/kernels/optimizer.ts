// Adam (Kingma & Ba 2015) with L2 inside the gradient, as optimizers/adam.ts has it, on dense weights and on touched rows.
// The step's constants lie at `constants`: 1 - β1, β2, 1 - β2, step size, 1/√(1 - β2^t), ε, weight decay.

import { hashMask, placeOf } from './tables';
import { has, shareBegin, shareEnd } from './team';

/** One update of `count` numbers; the gradient at 0 is all zeros. */
// @ts-ignore: decorator
@inline
function adamRange(w: usize, m: usize, v: usize, g: usize, count: i32, constants: usize): void {
  const a = v128.load32_splat(constants), b2 = v128.load32_splat(constants, 4), c = v128.load32_splat(constants, 8);
  const size = v128.load32_splat(constants, 12), root = v128.load32_splat(constants, 16);
  const epsilon = v128.load32_splat(constants, 20), decay = v128.load32_splat(constants, 24);
  let i: usize = 0;
  const end = <usize>count << 2;
  for (; i + 16 <= end; i += 16) {
    const weight = v128.load(w + i);
    const gradient = f32x4.add(g ? v128.load(g + i) : f32x4.splat(0), f32x4.mul(decay, weight));
    const first = f32x4.add(v128.load(m + i), f32x4.mul(a, f32x4.sub(gradient, v128.load(m + i))));
    const second = f32x4.add(f32x4.mul(b2, v128.load(v + i)), f32x4.mul(c, f32x4.mul(gradient, gradient)));
    v128.store(m + i, first);
    v128.store(v + i, second);
    v128.store(w + i, f32x4.sub(weight, f32x4.div(f32x4.mul(size, first), f32x4.add(f32x4.mul(f32x4.sqrt(second), root), epsilon))));
  }
  for (; i < end; i += 4) {
    const weight = load<f32>(w + i);
    const gradient = (g ? load<f32>(g + i) : <f32>0) + load<f32>(constants, 24) * weight;
    const first = load<f32>(m + i) + load<f32>(constants) * (gradient - load<f32>(m + i));
    const second = load<f32>(constants, 4) * load<f32>(v + i) + load<f32>(constants, 8) * (gradient * gradient);
    store<f32>(m + i, first);
    store<f32>(v + i, second);
    store<f32>(w + i, weight - (load<f32>(constants, 12) * first) / (Mathf.sqrt(second) * load<f32>(constants, 16) + load<f32>(constants, 20)));
  }
}

/** Dense weights, shared among workers; nothing where there is a 1 at `refused`. */
export function adamDense(w: usize, m: usize, v: usize, g: usize, count: i32, constants: usize, refused: usize): void {
  if (load<u32>(refused)) return;
  const begin = <usize>shareBegin(count, 16);
  const size = shareEnd(count, 16) - <i32>begin;
  const offset = begin << 2;
  adamRange(w + offset, m + offset, v + offset, g + offset, size, constants);
}

/** Rows that are brought into the cache together: so many reads are under way at once. */
const AHEAD: u32 = 16;

/**
 * The distinct rows of a table that a batch touched, by the worker that gathered their gradients; all rows if it is not lazy. A row's weights and
 * its two moments lie side by side.
 * @param refused where there is a 1, nothing is updated
 * @param tableRows 0 for lazy
 */
export function adamRows(table: usize, stride: i32, width: i32, hash: usize, distinct: usize, gradients: usize, countAt: usize, constants: usize, refused: usize, tableRows: i32): void {
  if (!has() || load<u32>(refused)) return;
  const count = load<u32>(countAt);
  const bytes = <usize>width << 2, strideBytes = <usize>stride << 2;
  if (tableRows == 0) {
    let touched: u32 = 0;
    for (let begin: u32 = 0; begin < count; begin += AHEAD) {
      const end = min(begin + AHEAD, count);
      for (let u = begin; u < end; u++) {
        const at = table + <usize>load<u32>(distinct + (<usize>u << 2)) * strideBytes;
        for (let line: usize = 0; line < strideBytes; line += 64) touched += load<u32>(at + line);
      }
      for (let u = begin; u < end; u++) {
        const at = table + <usize>load<u32>(distinct + (<usize>u << 2)) * strideBytes;
        adamRange(at, at + bytes, at + 2 * bytes, gradients + <usize>u * bytes, width, constants);
      }
    }
    // Read by nobody; without it the reads above would be dropped.
    store<u32>(countAt, touched, 4);
    return;
  }
  const mask = hashMask(load<i32>(countAt, 8));
  for (let row = 0; row < tableRows; row++) {
    const slot = load<u32>(placeOf(row, hash, mask, distinct));
    const at = table + <usize>row * strideBytes;
    adamRange(at, at + bytes, at + 2 * bytes, slot < count ? gradients + <usize>slot * bytes : 0, width, constants);
  }
}
