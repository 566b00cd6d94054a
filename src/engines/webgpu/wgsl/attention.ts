import { callOf, type ExpandedKernel, type ListCall, type Named, type OwnKernel } from '../kernel.js';
import { THREADS } from './prelude.js';

// Attention over the items of each row, as in kernels/attention.c. One thread computes a head of an item: of a query,
// or of a key and its value. `statistics` has two numbers of each: log Σ e^score, and <dy, y>.

/** Columns that a thread sums at a time; it computes the scores again for the next ones. */
const COLUMNS = 16;

const FUNCTIONS = `
/** The row of the batch that has an item. */
fn rowOfItem(offsets: u32, item: u32) -> u32 {
  var low = 0u; var high = batchRows();
  while (high - low > 1u) {
    let middle = (low + high) / 2u;
    if (m[offsets + middle] <= item) { low = middle; } else { high = middle; }
  }
  return low;
}
fn dotOf(a: u32, b: u32, width: u32) -> f32 {
  var sum = 0.0;
  for (var n = 0u; n < width; n++) { sum += f(a + n) * f(b + n); }
  return sum;
}
`;

/** Returns a kernel with one thread per item and head: the columns of a head start at `at`. */
const byHead = (writes: readonly string[], body: string): OwnKernel => ({
  form: 'own',
  writes,
  threads: ({ rows, of }) => rows * of('heads'),
  declares: FUNCTIONS,
  body: `
  let width = $width / $heads;
  let scale = 1.0 / sqrt(f32(width));
  let isCausal = ($flags & 1u) != 0u;
  for (var i = group * ${THREADS}u + lane; i < $rows * $heads; i += groups * ${THREADS}u) {
    let item = i / $heads; let head = i % $heads; let at = head * width;
    let row = rowOfItem($offsets, item);
    let first = m[$offsets + row]; let stop = m[$offsets + row + 1u];
    ${body}
  }`,
});

/**
 * Returns code that runs for spans of `count` columns from `c` on, with sums of these by some names. Sums are set to
 * zero explicitly: without it, a device may keep those of the last span.
 */
const overSpans = (names: readonly string[], body: string): string => `
    for (var c = 0u; c < width; c += ${COLUMNS}u) {
      let count = min(${COLUMNS}u, width - c);
      ${names.map((name) => `var ${name} = array<f32, ${COLUMNS}>();`).join(' ')}
      ${body}
    }`;
/** The address of the columns of a head in a matrix. */
const columnsOf = (name: string, stride: string, item: string): string => `($${name} + ${item} * $${stride} + at)`;

const OPERANDS = ['query', 'ldquery', 'key', 'ldkey', 'value', 'ldvalue', 'offsets', 'ldy', 'statistics'] as const;
const SIZES = ['rows', 'width', 'heads', 'flags'] as const;

const FORWARD = {
  name: 'segmentAttention',
  names: [...OPERANDS, ...SIZES, 'y'],
  kernel: byHead(
    ['y', 'statistics'],
    `
    let end = select(stop, item + 1u, isCausal);
    let q = ${columnsOf('query', 'ldquery', 'item')};
    var most = scale * dotOf(q, ${columnsOf('key', 'ldkey', 'first')}, width);
    var sum = 1.0;
    for (var other = first + 1u; other < end; other++) {
      let score = scale * dotOf(q, ${columnsOf('key', 'ldkey', 'other')}, width);
      if (score > most) { sum = sum * expOf(most - score) + 1.0; most = score; } else { sum += expOf(score - most); }
    }
    let total = most + logOf(sum);
    put($statistics + i * 2u, total);
    ${overSpans(
      ['sums'],
      `
      for (var other = first; other < end; other++) {
        let p = expOf(scale * dotOf(q, ${columnsOf('key', 'ldkey', 'other')}, width) - total);
        let v = ${columnsOf('value', 'ldvalue', 'other')} + c;
        for (var n = 0u; n < count; n++) { sums[n] += p * f(v + n); }
      }
      for (var n = 0u; n < count; n++) { put(${columnsOf('y', 'ldy', 'item')} + c + n, sums[n]); }`,
    )}`,
  ),
} as const satisfies Named;

/** The gradient of queries, and <dy, y>, which that of keys and values reads. */
const QUERIES = {
  name: 'segmentAttentionQueries',
  names: [...OPERANDS, ...SIZES, 'y', 'dy', 'dquery'],
  kernel: byHead(
    ['dquery', 'statistics'],
    `
    let end = select(stop, item + 1u, isCausal);
    let q = ${columnsOf('query', 'ldquery', 'item')};
    let d = ${columnsOf('dy', 'ldy', 'item')};
    let total = f($statistics + i * 2u);
    let dot = dotOf(d, ${columnsOf('y', 'ldy', 'item')}, width);
    put($statistics + i * 2u + 1u, dot);
    ${overSpans(
      ['sums'],
      `
      for (var other = first; other < end; other++) {
        let k = ${columnsOf('key', 'ldkey', 'other')};
        let p = expOf(scale * dotOf(q, k, width) - total);
        let slope = p * (dotOf(d, ${columnsOf('value', 'ldvalue', 'other')}, width) - dot) * scale;
        for (var n = 0u; n < count; n++) { sums[n] += slope * f(k + c + n); }
      }
      for (var n = 0u; n < count; n++) {
        add(${columnsOf('dquery', 'ldquery', 'item')} + c + n, sums[n], $flags & 2u);
      }`,
    )}`,
  ),
} as const satisfies Named;

/** The gradients of keys and values, from all queries that attend to an item. */
const KEYS = {
  name: 'segmentAttentionKeys',
  names: [...OPERANDS, ...SIZES, 'dy', 'dkey', 'dvalue'],
  kernel: byHead(
    ['dkey', 'dvalue'],
    `
    let k = ${columnsOf('key', 'ldkey', 'item')};
    let v = ${columnsOf('value', 'ldvalue', 'item')};
    ${overSpans(
      ['ofKey', 'ofValue'],
      `
      for (var other = select(first, item, isCausal); other < stop; other++) {
        let own = $statistics + (other * $heads + head) * 2u;
        let q = ${columnsOf('query', 'ldquery', 'other')};
        let d = ${columnsOf('dy', 'ldy', 'other')};
        let p = expOf(scale * dotOf(q, k, width) - f(own));
        let slope = p * (dotOf(d, v, width) - f(own + 1u)) * scale;
        for (var n = 0u; n < count; n++) {
          ofKey[n] += slope * f(q + c + n);
          ofValue[n] += p * f(d + c + n);
        }
      }
      for (var n = 0u; n < count; n++) {
        add(${columnsOf('dkey', 'ldkey', 'item')} + c + n, ofKey[n], $flags & 4u);
        add(${columnsOf('dvalue', 'ldvalue', 'item')} + c + n, ofValue[n], $flags & 8u);
      }`,
    )}`,
  ),
} as const satisfies Named;

/** Returns what all kernels read of a call; `accumulate` is as in kernels/attention.c. */
function shared(call: ListCall, accumulate: number) {
  const query = call.ref('query');
  return {
    query,
    ldquery: call.number('ldquery'),
    key: call.ref('key'),
    ldkey: call.number('ldkey'),
    value: call.ref('value'),
    ldvalue: call.number('ldvalue'),
    offsets: call.ref('offsets'),
    ldy: call.number('ldy'),
    statistics: call.ref('statistics'),
    rows: query.buffer.rows,
    width: call.number('width'),
    heads: call.number('heads'),
    flags: call.number('isCausal') + 2 * accumulate,
  };
}

/** Attention over the items of each row. */
export const ATTENTION_KERNELS = {
  segmentAttention: {
    form: 'expanded',
    kernels: [FORWARD],
    expand: (call) => ({ calls: [callOf(FORWARD, { ...shared(call, 0), y: call.ref('y') })] }),
  },
  segmentAttentionGradient: {
    form: 'expanded',
    kernels: [QUERIES, KEYS],
    expand(call) {
      const operands = { ...shared(call, call.number('accumulate')), dy: call.ref('dy') };
      return {
        calls: [
          callOf(QUERIES, { ...operands, y: call.ref('y'), dquery: call.ref('dquery') }),
          callOf(KEYS, { ...operands, dkey: call.ref('dkey'), dvalue: call.ref('dvalue') }),
        ],
      };
    },
  },
} as const satisfies Readonly<Record<string, ExpandedKernel>>;
