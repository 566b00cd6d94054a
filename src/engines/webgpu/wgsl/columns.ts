import type { OwnKernel } from '../kernel.js';
import { THREADS } from './prelude.js';

/** Columns of a workgroup, and threads per column. */
const COLUMNS = 16;
const LANES = THREADS / COLUMNS;

/**
 * The bodies below start with their column `n`, which may be beyond the last. All threads of a workgroup call
 * `overRows`, which contains barriers and returns sums over threads by column.
 */
const DECLARES = `
fn overRows(v: f32, lane: u32) -> f32 {
  workgroupBarrier();
  lanes[lane] = v;
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < ${LANES}u; i++) { sum += lanes[lane % ${COLUMNS}u + i * ${COLUMNS}u]; }
  return sum;
}
`;
const BEGIN = `let n = group * ${COLUMNS}u + lane % ${COLUMNS}u; let first = lane / ${COLUMNS}u;`;

/** Returns a loop that sums an expression over this thread's rows of a column, in blocks. */
const sumOf = (name: string, columns: string, each: string): string => `
  var ${name}All = 0.0; var ${name}Part = 0.0;
  if (n < ${columns}) {
    for (var row = first; row < $rows; row += ${LANES}u) {
      ${name}Part += ${each};
      if (((row / ${LANES}u) & 15u) == 15u) { ${name}All += ${name}Part; ${name}Part = 0.0; }
    }
  }
  let ${name} = overRows(${name}All + ${name}Part, lane);`;

const byColumns = (columns: string, body: string): OwnKernel => ({
  form: 'own',
  threads: ({ of }) => Math.ceil(of(columns) / COLUMNS) * THREADS,
  declares: DECLARES,
  body: `${BEGIN}${body}`,
});
/** Returns a kernel that writes a sum over the rows to a gradient. */
const columnSum = (columns: string, each: string, accumulate = '0u'): OwnKernel => ({
  ...byColumns(
    columns,
    `${sumOf('sum', `$${columns}`, each)}
  if (n < $${columns} && first == 0u) { add($g + n, sum, ${accumulate}); }`,
  ),
  sum: 'g',
});

const NORMALIZED = '(($x[row, n] - mean) * scale + shift)';
/** The gradient of a normalized value before its activation, whose slope depends on the sign alone. */
const NORM_GRADIENT = `($dy[row, n] * activatedSlope($activation, ${NORMALIZED}, ${NORMALIZED}))`;

/** Sums over the batch. */
export const COLUMN_KERNELS = {
  columnSums: columnSum('columns', '$d[row, n]', '$accumulate'),
  columnProducts: columnSum('columns', '$a[row, n] * $c[row, n]'),
  diceSlopes: columnSum('width', '$dy[row, n] * $x[row, n] * (1.0 - sigmoid($z[row, n]))'),

  batchSum: byColumns(
    'columns',
    `${sumOf('sum', '$columns', '$x[row, n]')}
  if (n < $columns) {
    for (var row = first; row < $rows; row += ${LANES}u) { add(&$y[row, n], sum, $accumulate); }
  }`,
  ),

  normalize: byColumns(
    'columns',
    `${sumOf('sum', '$columns', '$x[row, n]')}
  // A batch may have no items: then it has no statistics.
  let count = f32(max($rows, 1u));
  let mean = sum / count;
  ${sumOf('squares', '$columns', '($x[row, n] - mean) * ($x[row, n] - mean)')}
  let variance = squares / count;
  let inverse = 1.0 / sqrt(variance + $epsilon);
  if (n < $columns) {
    let scale = inverse * f($gain + n); let shift = f($shift + n);
    for (var row = first; row < $rows; row += ${LANES}u) {
      put(&$y[row, n], activated($activation, ${NORMALIZED}));
    }
    if (first == 0u) {
      put($statistics + n, mean);
      put($statistics + $columns + n, inverse);
      if ($momentum != 0.0 && $rows > 0u) {
        let oldMean = f($running + n); let oldVariance = f($running + $columns + n);
        put($running + n, oldMean + $momentum * (mean - oldMean));
        // The running variance is unbiased; a batch of one row has none.
        if ($rows > 1u) {
          put($running + $columns + n,
            oldVariance + $momentum * (variance * (f32($rows) / f32($rows - 1u)) - oldVariance));
        }
      }
    }
  }`,
  ),

  normalizeGradient: byColumns(
    'columns',
    `
  var mean = 0.0; var inverse = 0.0; var scale = 0.0; var shift = 0.0;
  if (n < $columns) {
    mean = f($statistics + n); inverse = f($statistics + $columns + n);
    scale = inverse * f($gain + n); shift = f($shift + n);
  }
  ${sumOf('shifts', '$columns', NORM_GRADIENT)}
  ${sumOf('products', '$columns', `${NORM_GRADIENT} * ($x[row, n] - mean)`)}
  let gains = products * inverse;
  if (n < $columns) {
    if (first == 0u) { put($dshift + n, shifts); put($dgain + n, gains); }
    let meanShift = shifts / f32($rows); let meanGain = gains / f32($rows);
    for (var row = first; row < $rows; row += ${LANES}u) {
      let hat = ($x[row, n] - mean) * inverse;
      add(&$dx[row, n], scale * (${NORM_GRADIENT} - meanShift - hat * meanGain), $accumulate);
    }
  }`,
  ),

  preluSlope: {
    form: 'own',
    sum: 'g',
    threads: () => THREADS,
    body: `
  if (group > 0u) { return; }
  var sum = 0.0;
  for (var row = lane; row < $rows; row += ${THREADS}u) { sum += f($sums + row); }
  let all = overAll(sum, lane);
  if (lane == 0u) { put($g, all); }`,
  },

  meanLoss: {
    form: 'own',
    threads: () => THREADS,
    body: `
  if (group > 0u) { return; }
  var sum = 0.0; var count = 0.0;
  for (var row = lane; row < $rows; row += ${THREADS}u) {
    sum += f($losses + row);
    if ($mask == NONE) { count += 1.0; } else { count += f($mask + row); }
  }
  let all = overAll(sum, lane);
  let rows = overAll(count, lane);
  if (lane == 0u) { put($out, all / max(rows, 1.0)); put($out + 2u, rows); }`,
  },
} as const satisfies Readonly<Record<string, OwnKernel>>;
