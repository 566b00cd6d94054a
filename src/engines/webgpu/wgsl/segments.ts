import type { OwnKernel } from '../kernel.js';
import { THREADS } from './prelude.js';

// Operations between the rows of a batch and the items of a sequence, as in kernels/segments.ts: row `b` has the items
// from `first` to `stop`, one row each in a matrix of items. One thread computes a column `n` of all items of a row, in
// order, so that sums are deterministic.

const numColumns = (argument: string | undefined): string => (argument === undefined ? '1u' : `$${argument}`);

/** Returns a kernel with one thread per row of the batch and column, or per row. */
export const bySegment = (writes: string, columns: string | undefined, body: string): OwnKernel => ({
  form: 'own',
  writes: [writes],
  threads: ({ rows, of }) => rows * (columns === undefined ? 1 : of(columns)),
  body: `
  for (var i = group * ${THREADS}u + lane; i < $rows * ${numColumns(columns)}; i += groups * ${THREADS}u) {
    let b = i / ${numColumns(columns)}; let n = i % ${numColumns(columns)};
    let first = m[$offsets + b]; let stop = m[$offsets + b + 1u];
    ${body}
  }`,
});

/** Returns a loop over the items of a row, from `begin` on. */
export const overItems = (body: string, begin = 'first'): string =>
  `for (var item = ${begin}; item < stop; item++) { ${body} }`;

/** The factor of a row: 1, or 1 over its number of items. */
const FACTOR = 'let factor = select(1.0, 1.0 / f32(max(stop - first, 1u)), $isMean != 0u);';

/** The weight of an item: 1 without weights. */
const WEIGHT = 'valueAt($w, item * $ldw)';

/** Kernels on the items of sequences. */
export const SEGMENT_KERNELS = {
  expand: bySegment(
    'y',
    'columns',
    `${FACTOR}
    let v = factor * $x[b, n];
    ${overItems(`add(&$y[item, n], ${WEIGHT} * v, $accumulate);`)}`,
  ),

  segmentSum: bySegment(
    'y',
    'columns',
    `${FACTOR}
    var sum = 0.0;
    ${overItems(`sum += ${WEIGHT} * $x[item, n];`)}
    add(&$y[b, n], factor * sum, $accumulate);`,
  ),

  segmentDots: bySegment(
    'dw',
    undefined,
    overItems(`
      var sum = 0.0;
      for (var c = 0u; c < $columns; c++) { sum += $x[item, c] * $dy[b, c]; }
      add(&$dw[item, n], sum, $accumulate);`),
  ),

  segmentMax: bySegment(
    'y',
    'columns',
    `
    var most = 0.0;
    if (first < stop) { most = $x[first, n]; }
    ${overItems('let v = $x[item, n]; if (v > most || isNan(v)) { most = v; }', 'first + 1u')}
    put(&$y[b, n], most);`,
  ),

  segmentMaxGradient: bySegment(
    'dx',
    'width',
    `
    let most = $y[b, n]; let d = $dy[b, n];
    var isFound = false;
    ${overItems(`
      let isMax = !isFound && $x[item, n] == most;
      isFound = isFound || isMax;
      add(&$dx[item, n], select(0.0, d, isMax), $accumulate);`)}`,
  ),

  segmentSoftmax: bySegment(
    'y',
    'columns',
    `
    if (first == stop) { continue; }
    var largest = $x[first, n];
    ${overItems('largest = max(largest, $x[item, n]);', 'first + 1u')}
    var sum = 0.0;
    ${overItems(`
      let e = expOf($x[item, n] - largest);
      put(&$y[item, n], e);
      sum += e;`)}
    ${overItems('put(&$y[item, n], $y[item, n] / sum);')}`,
  ),

  segmentSoftmaxGradient: bySegment(
    'dx',
    'columns',
    `
    var dot = 0.0;
    ${overItems('dot += $dy[item, n] * $y[item, n];')}
    ${overItems(`
      let at = item * $ldy + n;
      add(&$dx[item, n], f($y + at) * (f($dy + at) - dot), $accumulate);`)}`,
  ),

  itemPosition: {
    form: 'own',
    writes: ['y'],
    threads: ({ rows }) => rows,
    body: `
  for (var b = group * ${THREADS}u + lane; b < $rows; b += groups * ${THREADS}u) {
    let first = m[$offsets + b]; let stop = m[$offsets + b + 1u];
    ${overItems('put(&$y[item], f32(stop - 1u - item));')}
  }`,
  },

  // Items move to later places if `by` is positive.
  shiftItems: bySegment(
    'y',
    'columns',
    overItems(`
      let other = i32(item) - i32($by);
      var v = 0.0;
      if (other >= i32(first) && other < i32(stop)) { v = f($x + u32(other) * $ldx + n); }
      add(&$y[item, n], v, $accumulate);`),
  ),
} as const satisfies Readonly<Record<string, OwnKernel>>;
