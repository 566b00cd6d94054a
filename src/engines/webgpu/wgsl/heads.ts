import type { Operand } from '../../compile/call-list.js';
import type { DeviceCall, ListCall, Named, OwnKernel } from '../kernel.js';
import { THREADS } from './prelude.js';

// Kernels over the items of each row in which one thread computes a head of an item: of a query, or of a key and its
// value.

/** Columns that a thread sums at a time; it computes the scores again for the next ones. */
const COLUMNS = 16;

export const HEAD_FUNCTIONS = `
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

/**
 * Returns a kernel with one thread per item and head: the columns of a head start at `at`.
 * @param declares functions that the body calls
 */
export const byHead = (writes: readonly string[], body: string, declares = ''): OwnKernel => ({
  form: 'own',
  writes,
  threads: ({ rows, of }) => rows * of('heads'),
  declares: `${HEAD_FUNCTIONS}${declares}`,
  body: `
  let width = $width / $heads;
  let isCausal = ($flags & 1u) != 0u;
  for (var i = group * ${THREADS}u + lane; i < $rows * $heads; i += groups * ${THREADS}u) {
    let item = i / $heads; let head = i % $heads; let at = head * width;
    let row = rowOfItem($offsets, item);
    let first = m[$offsets + row]; let stop = m[$offsets + row + 1u];
    ${body}
  }`,
});

/**
 * Returns code that runs for spans of `count` columns from `c` on, with sums of the columns by some names. Sums are set
 * to zero explicitly: without it, a device may keep the sums of the last span.
 */
export const overSpans = (names: readonly string[], body: string): string => `
    for (var c = 0u; c < width; c += ${COLUMNS}u) {
      let count = min(${COLUMNS}u, width - c);
      ${names.map((name) => `var ${name} = array<f32, ${COLUMNS}>();`).join(' ')}
      ${body}
    }`;

/** The address of the columns of a head in a matrix. */
export const columnsAt = (name: string, stride: string, item: string): string =>
  `($${name} + ${item} * $${stride} + at)`;

/**
 * Returns a call of a kernel of attention. Its operands are the operands of a call in a list by name, except `rows`,
 * which are items, and `flags`: 1 if it is causal, then the bits of `accumulate` in kernels/attention.c.
 */
export function attentionCall(of: Named, call: ListCall, own: Readonly<Record<string, Operand>> = {}): DeviceCall {
  const accumulate = of.names.includes('dy') ? call.number('accumulate') : 0;
  const { rows } = call.ref('query').buffer;
  const known = new Map<string, Operand>(
    Object.entries({ rows, flags: call.number('isCausal') + 2 * accumulate, ...own }),
  );
  return { of, operands: of.names.map((name) => known.get(name) ?? call.operand(name)) };
}
