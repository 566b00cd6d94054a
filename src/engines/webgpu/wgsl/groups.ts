import type { OwnKernel } from '../kernel.js';
import { THREADS } from './prelude.js';

/** Returns a kernel with one thread per row. */
const byRow = (writes: readonly string[], body: string): OwnKernel => ({
  form: 'own',
  writes,
  threads: ({ rows }) => rows,
  body: `
  let row = group * ${THREADS}u + lane;
  if (row >= $rows) { return; }
  ${body}`,
});

/**
 * Returns a loop over the rows of the group of `row`, in order, as `o`. Links have three words per row: the first row
 * of its group, the next one or -1, and an unused one.
 */
const overGroup = (body: string): string => `
  for (var other = i32(m[$links + row * 3u]); other >= 0; other = i32(m[$links + u32(other) * 3u + 1u])) {
    let o = u32(other); ${body}
  }`;

/** Kernels of losses that compare rows of a group. */
export const GROUP_KERNELS = {
  linkGroups: byRow(
    ['links', 'places'],
    `
  let own = f($groups + row * $ld);
  var first = row; var next = -1;
  if (own >= 0.0) {
    for (var b = 0u; b < row; b++) { if (f($groups + b * $ld) == own) { first = b; break; } }
    for (var b = row + 1u; b < $rows; b++) { if (f($groups + b * $ld) == own) { next = i32(b); break; } }
  }
  m[$links + row * 3u] = first;
  m[$links + row * 3u + 1u] = u32(next);`,
  ),

  groupLogSumExp: byRow(
    ['y'],
    `
  var most = f($x + row * $ldx);
  ${overGroup('most = max(most, f($x + o * $ldx));')}
  var sum = 0.0;
  ${overGroup('sum += expOf(f($x + o * $ldx) - most);')}
  put($y + row * $ldy, most + logOf(sum));`,
  ),

  groupLogSumExpGradient: byRow(
    ['dx'],
    `
  var sum = 0.0;
  ${overGroup('sum += f($dy + o * $ldy);')}
  add($dx + row * $ldx, sum * expOf(f($x + row * $ldx) - f($y + row * $ldy)), $accumulate);`,
  ),

  groupPairs: byRow(
    ['y', 'counts'],
    `
  var sum = 0.0; var count = 0.0;
  if (f($label + row * $ldt) == 1.0) {
    let own = f($x + row * $ldx);
    ${overGroup('if (f($label + o * $ldt) != 1.0) { sum += softplus(f($x + o * $ldx) - own); count += 1.0; }')}
  }
  put($counts + row, count);
  put($y + row * $ldy, select(0.0, sum / max(count, 1.0), count > 0.0));`,
  ),

  groupPairsGradient: byRow(
    ['dx'],
    `
  let isPositive = f($label + row * $ldt) == 1.0;
  let own = f($x + row * $ldx);
  var sum = 0.0;
  ${overGroup(`
    if ((f($label + o * $ldt) == 1.0) != isPositive) {
      let positive = select(o, row, isPositive);
      let difference = select(own - f($x + o * $ldx), f($x + o * $ldx) - own, isPositive);
      sum += f($dy + positive * $ldy) / f($counts + positive) * sigmoid(difference);
    }`)}
  add($dx + row * $ldx, select(sum, -sum, isPositive), $accumulate);`,
  ),
} as const satisfies Readonly<Record<string, OwnKernel>>;
