import { argumentNames } from '../../compile/kernel-arguments.js';
import type { ExpandedKernel, Named, OwnKernel } from '../kernel.js';
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

/** Returns a loop over the rows of the group of `row`, in order, as `o`. */
const overGroup = (body: string): string => `
  for (var item = first; item < stop; item++) { let o = m[$order + item]; ${body} }`;

/** Returns a kernel with one thread per row, which reads the rows of its group. */
const withinGroup = (writes: string, body: string): OwnKernel =>
  byRow(
    [writes],
    `
  let segment = m[$segments + row];
  let first = m[$offsets + segment]; let stop = m[$offsets + segment + 1u];
  ${body}`,
  );

const named = (name: string, kernel: OwnKernel): Named => ({ name, names: argumentNames('arrangeGroups'), kernel });

/** Finds the first row of each row's group; they are stored where the CPU has a hash table. */
const FIRST_ROWS = named(
  'firstRowsOfGroups',
  byRow(
    ['places'],
    `
  let own = f($groups + row * $ld);
  var first = row;
  if (own >= 0.0) {
    for (var b = 0u; b < row; b++) { if (f($groups + b * $ld) == own) { first = b; break; } }
  }
  m[$places + row] = first;`,
  ),
);

/** Counts the segments and rows before each row's segment, and the rows before the row in it. */
const ARRANGED_ROWS = named(
  'arrangeGroups',
  byRow(
    ['order', 'offsets', 'segments'],
    `
  let first = m[$places + row];
  var segment = 0u; var begin = 0u; var before = 0u; var size = 0u;
  for (var b = 0u; b < $rows; b++) {
    let other = m[$places + b];
    if (other < first) { begin++; segment += select(0u, 1u, other == b); }
    if (other == first) { size++; before += select(0u, 1u, b < row); }
  }
  m[$segments + row] = segment;
  m[$order + begin + before] = row;
  if (row == first) { m[$offsets + segment + 1u] = begin + size; }
  if (row == 0u) { m[$offsets] = 0u; }`,
  ),
);

const ARRANGE: ExpandedKernel = {
  form: 'expanded',
  kernels: [FIRST_ROWS, ARRANGED_ROWS],
  expand: ({ operands }) => ({ calls: [FIRST_ROWS, ARRANGED_ROWS].map((of) => ({ of, operands })) }),
};

/** Kernels of losses that compare rows of a group. */
export const GROUP_KERNELS = {
  arrangeGroups: ARRANGE,

  groupLogSumExp: withinGroup(
    'y',
    `
  var most = $x[row];
  ${overGroup('most = max(most, $x[o]);')}
  var sum = 0.0;
  ${overGroup('sum += expOf($x[o] - most);')}
  put(&$y[row], most + logOf(sum));`,
  ),

  groupLogSumExpGradient: withinGroup(
    'dx',
    `
  var sum = 0.0;
  ${overGroup('sum += $dy[o];')}
  add(&$dx[row], sum * expOf($x[row] - $y[row]), $accumulate);`,
  ),

  groupPairs: withinGroup(
    'y',
    `
  var sum = 0.0; var count = 0.0;
  if (f($label + row * $ldt) == 1.0) {
    let own = $x[row];
    ${overGroup('if (f($label + o * $ldt) != 1.0) { sum += softplus($x[o] - own); count += 1.0; }')}
  }
  put(&$y[row], select(0.0, sum / max(count, 1.0), count > 0.0));`,
  ),

  groupPairsGradient: withinGroup(
    'dx',
    `
  let isPositive = f($label + row * $ldt) == 1.0;
  let own = $x[row];
  var count = 0.0; var sum = 0.0;
  ${overGroup('if (f($label + o * $ldt) != 1.0) { count += 1.0; }')}
  ${overGroup(`
    if ((f($label + o * $ldt) == 1.0) != isPositive) {
      let positive = select(o, row, isPositive);
      let difference = select(own - $x[o], $x[o] - own, isPositive);
      sum += $dy[positive] / count * sigmoid(difference);
    }`)}
  add(&$dx[row], select(sum, -sum, isPositive), $accumulate);`,
  ),
} as const satisfies Readonly<Record<string, OwnKernel | ExpandedKernel>>;
