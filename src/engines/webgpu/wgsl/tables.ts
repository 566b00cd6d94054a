import type { OwnKernel } from '../kernel.js';
import { THREADS } from './prelude.js';

// A table may lie in several buffers: a call is for the rows from `rowBegin` to `rowEnd`, of which the first lies at
// `table`.
// What the index list of a batch says of a table lies at `distinct`: see lists/.

/** Words of what an index list says of a table, and their order. */
export const LIST_WORDS = {
  distinct: 0,
  segments: 1,
  items: 2,
  firstSegments: 3,
  numSegments: 4,
  seen: 5,
  partials: 6,
  count: 7,
} as const;
const listed = (what: keyof typeof LIST_WORDS): string => `m[$distinct + ${LIST_WORDS[what]}u]`;

/** Where the item `item` begins in the input. */
const itemAt = `listed(${listed('items')}, item, $spread) * max($spread, 1u)`;

/** A thread a number, in turns. */
const overNumbers = (count: string, body: string): string => `
  for (var i = group * ${THREADS}u + lane; i < ${count}; i += groups * ${THREADS}u) { ${body} }`;

/** Rows of tables on their way in and back. */
export const TABLE_KERNELS = {
  lookup: {
    form: 'own',
    writes: ['y'],
    isApart: true,
    threads: ({ rows, of }) => rows * of('width'),
    body: overNumbers(
      '$rows * $width',
      `
    let row = i / $width; let id = m[$ids + row];
    if (id >= $rowBegin && id < $rowEnd) { m[$y + row * $ldy + i % $width] = t[$table + (id - $rowBegin) * $stride + i % $width]; }`,
    ),
  },

  // Items of a bag in another buffer are added by that one's call.
  lookupBags: {
    form: 'own',
    writes: ['y'],
    isApart: true,
    threads: ({ rows, of }) => rows * of('width'),
    body: overNumbers(
      '$rows * $width',
      `
    let row = i / $width; let d = i % $width;
    let ids = m[$bag]; let factors = m[$bag + 1u];
    var sum = 0.0;
    for (var item = m[$offsets + row]; item < m[$offsets + row + 1u]; item++) {
      let id = items[ids + item];
      if (id >= $rowBegin && id < $rowEnd) { sum += bitcast<f32>(items[factors + item]) * bitcast<f32>(t[$table + (id - $rowBegin) * $stride + d]); }
    }
    add($y + row * $ldy + d, sum, select(0u, 1u, $rowBegin > 0u));`,
    ),
  },

  averageRows: {
    form: 'own',
    threads: ({ of, distinct }) => of('tableRows') || distinct,
    body: `
  if (isRefused()) { return; }
  let end = select($tableRows, ${listed('count')}, $tableRows == 0u);
  ${overNumbers(
    'end',
    `
    var row = i;
    if ($tableRows == 0u) { row = items[${listed('distinct')} + i]; }
    if (row >= $rowBegin && row < $rowEnd) { bringUp($table + (row - $rowBegin) * $stride, $average, $width, $clock); }`,
  )}`,
  },

  exchangeRows: {
    form: 'own',
    threads: ({ of }) => of('rows'),
    body: overNumbers(
      '$rowEnd - $rowBegin',
      `
    let at = $table + i * $stride;
    bringUp(at, $average, $width, $clock);
    for (var d = 0u; d < $width; d++) {
      let weight = t[at + d];
      t[at + d] = t[at + $average + d];
      t[at + $average + d] = weight;
    }`,
    ),
  },
} as const satisfies Readonly<Record<string, OwnKernel>>;

/** What average kernels call. The clock is the logarithm of the decay, and two words on the steps that were taken. */
export const AVERAGE_FUNCTIONS = `
/**
 * What is left, after so many steps, of the distance that an average of fewer had from weights that stayed the same.
 */
fn shareLeft(logDecay: f32, before: u32, now: u32) -> f32 {
  if (before == 0u) { return 0.0; }
  return expOf(logDecay * f32(now - before)) * (expm1Of(logDecay * f32(before)) / expm1Of(logDecay * f32(now)));
}
fn bringUp(at: u32, average: u32, width: u32, clock: u32) {
  let covers = at + average + width;
  let steps = m[clock + 2u];
  let before = t[covers];
  if (before == steps) { return; }
  let share = shareLeft(f(clock), before, steps);
  for (var d = 0u; d < width; d++) {
    let weight = bitcast<f32>(t[at + d]);
    let old = bitcast<f32>(t[at + average + d]);
    t[at + average + d] = bitcast<u32>(weight + share * (old - weight));
  }
  t[covers] = steps;
}
`;

/**
 * Arguments of the kernels that no list of calls names. `spread` is how far apart rows of the input are where an item
 * is a row of the batch, and the list short; 0 elsewhere.
 */
export const GATHER_ARGUMENTS = ['d', 'width', 'distinct', 'gradients', 'hasFactors', 'spread'] as const;
export const LOOKUP_ARGUMENTS = ['y', 'width', 'distinct', 'table', 'stride', 'spread'] as const;
export const MARK_ARGUMENTS = ['distinct', 'isMarked'] as const;

/**
 * The gradient of each distinct row: segments of its items first, then the segments of each row, so that a row that a
 * whole batch has is not one
 * thread's work. An item is where its gradient begins, from `d` on, and behind it a factor where the table has bags.
 * On the way in, rows of tables without bags are read by the same segments.
 */
export const GATHER = {
  lookup: {
    form: 'own',
    writes: ['y'],
    isApart: true,
    threads: ({ segments, of }) => segments * of('width'),
    body: overNumbers(
      `${listed('numSegments')} * $width`,
      `
    let segment = i / $width; let d = i % $width;
    // The last row whose segments begin no later.
    var low = 0u; var high = ${listed('count')};
    while (high - low > 1u) {
      let middle = (low + high) / 2u;
      if (listed(${listed('firstSegments')}, middle, $spread) <= segment) { low = middle; } else { high = middle; }
    }
    let row = items[${listed('distinct')} + low];
    if (row < $rowBegin || row >= $rowEnd) { continue; }
    let weight = t[$table + (row - $rowBegin) * $stride + d];
    let begin = listed(${listed('segments')}, segment, $spread); let end = listed(${listed('segments')}, segment + 1u, $spread);
    for (var item = begin; item < end; item++) { m[$y + ${itemAt} + d] = weight; }`,
    ),
  },
  segments: {
    form: 'own',
    threads: ({ segments, of }) => segments * of('width'),
    body: overNumbers(
      `${listed('numSegments')} * $width`,
      `
    let segment = i / $width; let d = i % $width;
    let begin = listed(${listed('segments')}, segment, $spread); let end = listed(${listed('segments')}, segment + 1u, $spread);
    var sum = 0.0;
    if ($hasFactors == 0u) {
      for (var item = begin; item < end; item++) { sum += f($d + ${itemAt} + d); }
    } else {
      for (var item = begin; item < end; item++) {
        let at = ${listed('items')} + item * 2u;
        sum += bitcast<f32>(items[at + 1u]) * f($d + items[at] + d);
      }
    }
    scratch[${listed('partials')} + i] = bitcast<u32>(sum);`,
    ),
  },
  rows: {
    form: 'own',
    threads: ({ distinct, of }) => distinct * of('width'),
    body: overNumbers(
      `${listed('count')} * $width`,
      `
    let u = i / $width; let d = i % $width;
    let first = listed(${listed('firstSegments')}, u, $spread); let end = listed(${listed('firstSegments')}, u + 1u, $spread);
    var sum = 0.0;
    // Rows that an earlier pass of the step has met have a gradient already.
    if (u < ${listed('seen')}) { sum = f($gradients + i); }
    for (var segment = first; segment < end; segment++) { sum += bitcast<f32>(scratch[${listed('partials')} + segment * $width + d]); }
    put($gradients + i, sum);`,
    ),
  },
  /** Says of each row of a table that is not lazy which distinct row it is, counted from 1; or takes that back. */
  mark: {
    form: 'own',
    threads: ({ distinct }) => distinct,
    body: overNumbers(
      listed('count'),
      `m[$rowSlots + items[${listed('distinct')} + i]] = select(0u, i + 1u, $isMarked != 0u);`,
    ),
  },
} as const satisfies Readonly<Record<string, OwnKernel>>;
