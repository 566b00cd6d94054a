import { isSameDomain } from '../../../graph/domain.js';
import { argumentNames } from '../../compile/kernel-arguments.js';
import type { TablePlace } from '../../compile/tables.js';
import { createCall, type DeviceCall, type ExpandedKernel, type Named, type OwnKernel } from '../kernel.js';
import { THREADS } from './prelude.js';

// A table may be split over several buffers: a call is for the rows from `rowBegin` to `rowEnd`, the first at `table`.
// The header of a table's index list is at `distinct`: see lists/.

/** Words of the header of an index list. */
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

/** First element of the item `item` counted from the first element of the table's first field. */
const itemAt = `listed(${listed('items')}, item, $spread) * max($spread, 1u)`;

/** Returns a loop over elements, one per thread at a time. */
const overNumbers = (count: string, body: string): string => `
  for (var i = group * ${THREADS}u + lane; i < ${count}; i += groups * ${THREADS}u) { ${body} }`;

/** Threads that visit the rows of a table whose number the host does not know. */
const GROWING_THREADS = 2 ** 16;

const KERNELS = {
  lookup: {
    form: 'own',
    writes: ['y'],
    isDisjoint: true,
    threads: ({ rows, of }) => rows * of('width'),
    body: overNumbers(
      '$rows * $width',
      `
    let row = i / $width; let id = m[$ids + row];
    if (id >= $rowBegin && id < $rowEnd) {
      m[$y + row * $ldy + i % $width] = t[$table + (id - $rowBegin) * $stride + i % $width];
    }`,
    ),
  },

  // The calls of other buffers add the items of a bag that they have.
  lookupBags: {
    form: 'own',
    writes: ['y'],
    isDisjoint: true,
    threads: ({ rows, of }) => rows * of('width'),
    body: overNumbers(
      '$rows * $width',
      `
    let row = i / $width; let d = i % $width;
    let ids = m[$bag]; let factors = m[$bag + 1u];
    var sum = 0.0;
    for (var item = m[$offsets + row]; item < m[$offsets + row + 1u]; item++) {
      let id = items[ids + item];
      if (id >= $rowBegin && id < $rowEnd) {
        sum += bitcast<f32>(items[factors + item]) * bitcast<f32>(t[$table + (id - $rowBegin) * $stride + d]);
      }
    }
    add(&$y[row, d], sum, select(0u, 1u, $rowBegin > 0u));`,
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
    if (row >= $rowBegin && row < $rowEnd) {
      bringUp($table + (row - $rowBegin) * $stride, $average, $width, $clock);
    }`,
  )}`,
  },

  exchangeRows: {
    form: 'own',
    // The rows in use of a table that grows are counted on the device; a thread visits as many as it must.
    threads: ({ of }) => of('rows') || GROWING_THREADS,
    body: overNumbers(
      'max(min($rowEnd, select($rows, m[$countAt], $rows == 0u)), $rowBegin) - $rowBegin',
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

/** Functions of averages. The clock is the logarithm of the decay, and two words later the steps taken. */
export const AVERAGE_FUNCTIONS = `
/**
 * The fraction that remains, after \`now\` steps, of the distance that an average of \`before\` steps had from weights
 * that stayed the same.
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
 * The gradient of each distinct row: the segments of its items first, then their sums, so that a row in every item of a
 * batch is not the work of one thread. An item is the position of its gradient from `d` on, the gradient of the table's
 * first field; a factor follows it if the table has bags. If the list is short, an item is a row of the only field, and
 * rows of the input are `spread` apart; otherwise `spread` is 0.
 */
const GATHER_ARGUMENTS = ['d', 'width', 'distinct', 'gradients', 'hasFactors', 'spread'] as const;
const GATHER_SEGMENTS = {
  name: 'gatherSegments',
  names: GATHER_ARGUMENTS,
  kernel: {
    form: 'own',
    threads: ({ segments, of }) => segments * of('width'),
    body: overNumbers(
      `${listed('numSegments')} * $width`,
      `
    let segment = i / $width; let d = i % $width;
    let begin = listed(${listed('segments')}, segment, $spread);
    let end = listed(${listed('segments')}, segment + 1u, $spread);
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
} as const satisfies Named;
const GATHER_ROWS = {
  name: 'gatherRows',
  names: GATHER_ARGUMENTS,
  kernel: {
    form: 'own',
    threads: ({ distinct, of }) => distinct * of('width'),
    body: overNumbers(
      `${listed('count')} * $width`,
      `
    let u = i / $width; let d = i % $width;
    let first = listed(${listed('firstSegments')}, u, $spread);
    let end = listed(${listed('firstSegments')}, u + 1u, $spread);
    var sum = 0.0;
    // Rows of an earlier pass of the step have a gradient already.
    if (u < ${listed('seen')}) { sum = f($gradients + i); }
    for (var segment = first; segment < end; segment++) {
      sum += bitcast<f32>(scratch[${listed('partials')} + segment * $width + d]);
    }
    put($gradients + i, sum);`,
    ),
  },
} as const satisfies Named;

/** One call per table: its list has the items of all fields. */
const GATHER: ExpandedKernel = {
  form: 'expanded',
  kernels: [GATHER_SEGMENTS, GATHER_ROWS],
  expand(call, { tableOf, listedIn }) {
    if (call.number('isFirstField') === 0) return {};
    const table = tableOf(call.ref('distinct'));
    const {
      fields: [first],
      form: { hasFactors, isShort },
    } = listedIn(table);
    const { gradient } = first!;
    const operands = {
      d: gradient,
      width: table.width,
      distinct: table.distinct,
      gradients: call.ref('gradients'),
      hasFactors: hasFactors ? 1 : 0,
      spread: isShort ? gradient.ld : 0,
    };
    return { calls: [createCall(GATHER_SEGMENTS, operands)], last: [createCall(GATHER_ROWS, operands)] };
  },
};

const LOOKUP: Named = { name: 'lookup', names: argumentNames('lookup'), kernel: KERNELS.lookup };
/** Looks up the rows of a table without bags by the segments of its index list. */
const LOOKUP_BY_LIST = {
  name: 'lookup by lists',
  names: ['y', 'width', 'distinct', 'table', 'stride', 'spread'],
  kernel: {
    form: 'own',
    writes: ['y'],
    isDisjoint: true,
    threads: ({ segments, of }) => segments * of('width'),
    body: overNumbers(
      `${listed('numSegments')} * $width`,
      `
    let segment = i / $width; let d = i % $width;
    // The last row whose segments start no later.
    var low = 0u; var high = ${listed('count')};
    while (high - low > 1u) {
      let middle = (low + high) / 2u;
      if (listed(${listed('firstSegments')}, middle, $spread) <= segment) { low = middle; } else { high = middle; }
    }
    let row = items[${listed('distinct')} + low];
    if (row < $rowBegin || row >= $rowEnd) { continue; }
    let weight = t[$table + (row - $rowBegin) * $stride + d];
    let begin = listed(${listed('segments')}, segment, $spread);
    let end = listed(${listed('segments')}, segment + 1u, $spread);
    for (var item = begin; item < end; item++) { m[$y + ${itemAt} + d] = weight; }`,
    ),
  },
} as const satisfies Named;

const LOOKUPS: ExpandedKernel = {
  form: 'expanded',
  kernels: [LOOKUP, LOOKUP_BY_LIST],
  expand(call, { hasLists, tableOf, listedIn }) {
    const table = tableOf(call.ref('table'));
    const {
      fields,
      form: { hasFactors, isShort },
    } = listedIn(table);
    const [first] = fields;
    const { value: y, rows } = first!;
    // The first call looks up all fields. Calls of its phase wait for its buffer; items are read after a barrier only.
    const isWhole = fields.every((each) => each.value.buffer === y.buffer || !isSameDomain(each.rows, rows));
    if (!hasLists || hasFactors || !isWhole) return { calls: [{ of: LOOKUP, operands: call.operands }] };
    const { buffer, offset } = call.ref('y');
    if (buffer !== y.buffer || offset !== y.offset) return {};
    const { width, distinct, at, stride } = table;
    return {
      calls: [createCall(LOOKUP_BY_LIST, { y, width, distinct, table: at, stride, spread: isShort ? y.ld : 0 })],
    };
  },
};

/** Writes to each row of a table that is not lazy which distinct row it is, counted from 1; or clears that. */
const markRows = (name: string) =>
  ({
    name,
    names: ['distinct', 'isMarked'],
    kernel: {
      form: 'own',
      threads: ({ distinct }) => distinct,
      body: overNumbers(
        listed('count'),
        `m[$rowSlots + items[${listed('distinct')} + i]] = select(0u, i + 1u, $isMarked != 0u);`,
      ),
    },
  }) as const satisfies Named;
const MARK = markRows('markRows');
const UNMARK = markRows('unmarkRows');

/** All kernels that mark rows. */
export const MARKS: readonly Named[] = [MARK, UNMARK];

/** Returns the calls that mark the distinct rows of a table, and those that clear the marks. */
export function markCalls(
  { distinct }: TablePlace,
  rowSlots: number,
): { readonly mark: DeviceCall; readonly unmark: DeviceCall } {
  return {
    mark: createCall(MARK, { distinct, isMarked: 1 }, { rowSlots }),
    unmark: createCall(UNMARK, { distinct, isMarked: 0 }, { rowSlots }),
  };
}

/** Kernels of tables; the host computes the factors of bags. */
export const TABLE_KERNELS = {
  ...KERNELS,
  lookup: LOOKUPS,
  gatherGradients: GATHER,
  gatherBagGradients: GATHER,
};
