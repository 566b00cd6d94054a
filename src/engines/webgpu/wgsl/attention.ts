import type { ExpandedKernel, ListCall, Named } from '../kernel.js';
import { attentionCall, byHead, columnsAt, overSpans } from './heads.js';
import { expandPointwise, expandPointwiseGradient, POINTWISE, POINTWISE_GRADIENT } from './pointwise-attention.js';

// Attention over the items of each row, as in kernels/attention.c, by a softmax. `statistics` has two numbers of each
// item and head: log Σ e^score, and <dy, y>.

const OPERANDS = ['query', 'ldquery', 'key', 'ldkey', 'value', 'ldvalue', 'offsets', 'ldy', 'statistics'] as const;
const SCALE = `
    let scale = 1.0 / sqrt(f32(width));`;
const SIZES = ['rows', 'width', 'heads', 'flags'] as const;

const FORWARD = {
  name: 'segmentAttention',
  names: [...OPERANDS, ...SIZES, 'y'],
  kernel: byHead(
    ['y', 'statistics'],
    `${SCALE}
    let end = select(stop, item + 1u, isCausal);
    let q = ${columnsAt('query', 'ldquery', 'item')};
    var most = scale * dotOf(q, ${columnsAt('key', 'ldkey', 'first')}, width);
    var sum = 1.0;
    for (var other = first + 1u; other < end; other++) {
      let score = scale * dotOf(q, ${columnsAt('key', 'ldkey', 'other')}, width);
      if (score > most) { sum = sum * expOf(most - score) + 1.0; most = score; } else { sum += expOf(score - most); }
    }
    let total = most + logOf(sum);
    put($statistics + i * 2u, total);
    ${overSpans(
      ['sums'],
      `
      for (var other = first; other < end; other++) {
        let p = expOf(scale * dotOf(q, ${columnsAt('key', 'ldkey', 'other')}, width) - total);
        let v = ${columnsAt('value', 'ldvalue', 'other')} + c;
        for (var n = 0u; n < count; n++) { sums[n] += p * f(v + n); }
      }
      for (var n = 0u; n < count; n++) { put(${columnsAt('y', 'ldy', 'item')} + c + n, sums[n]); }`,
    )}`,
  ),
} as const satisfies Named;

/** The gradient of queries, and <dy, y>, which the gradient of keys and values reads. */
const QUERIES = {
  name: 'segmentAttentionQueries',
  names: [...OPERANDS, ...SIZES, 'y', 'dy', 'dquery'],
  kernel: byHead(
    ['dquery', 'statistics'],
    `${SCALE}
    let end = select(stop, item + 1u, isCausal);
    let q = ${columnsAt('query', 'ldquery', 'item')};
    let d = ${columnsAt('dy', 'ldy', 'item')};
    let total = f($statistics + i * 2u);
    let dot = dotOf(d, ${columnsAt('y', 'ldy', 'item')}, width);
    put($statistics + i * 2u + 1u, dot);
    ${overSpans(
      ['sums'],
      `
      for (var other = first; other < end; other++) {
        let k = ${columnsAt('key', 'ldkey', 'other')};
        let p = expOf(scale * dotOf(q, k, width) - total);
        let slope = p * (dotOf(d, ${columnsAt('value', 'ldvalue', 'other')}, width) - dot) * scale;
        for (var n = 0u; n < count; n++) { sums[n] += slope * f(k + c + n); }
      }
      for (var n = 0u; n < count; n++) {
        add(${columnsAt('dquery', 'ldquery', 'item')} + c + n, sums[n], $flags & 2u);
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
    `${SCALE}
    let k = ${columnsAt('key', 'ldkey', 'item')};
    let v = ${columnsAt('value', 'ldvalue', 'item')};
    ${overSpans(
      ['ofKey', 'ofValue'],
      `
      for (var other = select(first, item, isCausal); other < stop; other++) {
        let own = $statistics + (other * $heads + head) * 2u;
        let q = ${columnsAt('query', 'ldquery', 'other')};
        let d = ${columnsAt('dy', 'ldy', 'other')};
        let p = expOf(scale * dotOf(q, k, width) - f(own));
        let slope = p * (dotOf(d, v, width) - f(own + 1u)) * scale;
        for (var n = 0u; n < count; n++) {
          ofKey[n] += slope * f(q + c + n);
          ofValue[n] += p * f(d + c + n);
        }
      }
      for (var n = 0u; n < count; n++) {
        add(${columnsAt('dkey', 'ldkey', 'item')} + c + n, ofKey[n], $flags & 4u);
        add(${columnsAt('dvalue', 'ldvalue', 'item')} + c + n, ofValue[n], $flags & 8u);
      }`,
    )}`,
  ),
} as const satisfies Named;

const isPointwise = (call: ListCall): boolean => call.number('isPointwise') !== 0;

/** Attention over the items of each row. */
export const ATTENTION_KERNELS = {
  segmentAttention: {
    form: 'expanded',
    kernels: [FORWARD, ...POINTWISE],
    expand: (call) => (isPointwise(call) ? expandPointwise(call) : { calls: [attentionCall(FORWARD, call)] }),
  },
  segmentAttentionGradient: {
    form: 'expanded',
    kernels: [QUERIES, KEYS, ...POINTWISE_GRADIENT],
    expand(call) {
      if (isPointwise(call)) return expandPointwiseGradient(call);
      return { calls: [QUERIES, KEYS].map((of) => attentionCall(of, call)) };
    },
  },
} as const satisfies Readonly<Record<string, ExpandedKernel>>;
