import type { RowKernel } from '../kernel.js';
import { ROW_THREADS } from './prelude.js';

/** Functions that the bodies below call; a whole workgroup computes the divisor of a sum over rows. */
export const LOSS_FUNCTIONS = `
fn valueAt(column: u32, row: u32) -> f32 { if (column == NONE) { return 1.0; } return f(column + row); }
fn divisor(weight: u32, mask: u32, lane: u32) -> f32 {
  var count = 0.0;
  if (mask != NONE) {
    for (var b = lane; b < batchRows(); b += ${ROW_THREADS}u) { count += f(mask + b); }
  }
  lanes[lane] = count;
  workgroupBarrier();
  var sum = f32(batchRows());
  if (mask != NONE) {
    sum = 0.0;
    for (var i = 0u; i < ${ROW_THREADS}u; i++) { sum += lanes[i]; }
  }
  workgroupBarrier();
  // Two words after the weight: the rows of a step with several passes.
  let given = f(weight + 2u);
  return select(max(sum, 1.0), given, given > 0.0);
}
`;

const loss = (body: string): RowKernel => ({
  form: 'rows',
  over: 'row',
  writes: ['losses', 'dz'],
  before: 'let factor = f($weight) / divisor($weight, $mask, lane);',
  body: `let x = $z[row]; let share = valueAt($mask, row) * valueAt($weights, row); ${body}`,
});

/** Losses from logits, and their gradients. */
export const LOSS_KERNELS = {
  binaryCrossEntropy: loss(`
    let y = f($label + row);
    put($losses + row, share * (softplus(x) - y * x));
    add(&$dz[row], factor * share * (sigmoid(x) - y), $accumulate);`),
  mean: loss('put($losses + row, share * x); add(&$dz[row], factor * share, $accumulate);'),
  squaredError: loss(`
    let distance = x - f($label + row);
    put($losses + row, share * distance * distance);
    add(&$dz[row], 2.0 * factor * share * distance, $accumulate);`),
} as const;
