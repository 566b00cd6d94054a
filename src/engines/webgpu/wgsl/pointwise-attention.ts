import type { Expansion, ListCall, Named } from '../kernel.js';
import { attentionCall, byHead, columnsAt, HEAD_FUNCTIONS, overSpans } from './heads.js';
import { THREADS } from './prelude.js';

// Pointwise attention over the items of each row, as in kernels/attention.c. A thread computes a head of an item, or
// one number of the bias of a row of the batch.

const FUNCTIONS = `
/** Index of the bias of a distance from a query back to a key. */
fn distanceOf(distances: u32, isCausal: bool, query: u32, key: u32) -> u32 {
  let most = i32(distances) - 1;
  let near = clamp(i32(query) - i32(key), -most, most);
  return u32(select(near + most, near, isCausal));
}
/** The octave of 1 + the difference of two ages, which is the exponent of that float. */
fn octaveOf(octaves: u32, age: f32, other: f32) -> u32 {
  let next = 1.0 + abs(age - other);
  return min(((bitcast<u32>(next) >> 23u) & 0xffu) - 127u, octaves - 1u);
}
/** Number of biases by distance. */
fn sidesOf(distances: u32, isCausal: bool) -> u32 {
  if (isCausal || distances == 0u) { return distances; }
  return 2u * distances - 1u;
}
/** The bias of a query and a key; \`buckets\` has the distances, then the octaves, in 16 bits each. */
fn biasOf(bias: u32, buckets: u32, isCausal: bool, ages: u32, ldages: u32, query: u32, key: u32) -> f32 {
  let distances = buckets & 0xffffu; let octaves = buckets >> 16u;
  var sum = 0.0;
  if (distances > 0u) { sum += f(bias + distanceOf(distances, isCausal, query, key)); }
  if (octaves > 0u) {
    let octave = octaveOf(octaves, f(ages + query * ldages), f(ages + key * ldages));
    sum += f(bias + sidesOf(distances, isCausal) + octave);
  }
  return sum;
}
/** The slope of SiLU. */
fn siluSlope(s: f32) -> f32 {
  let gate = sigmoid(s);
  return gate * (1.0 + s * (1.0 - gate));
}
`;

const OPERANDS = ['query', 'ldquery', 'key', 'ldkey', 'value', 'ldvalue', 'offsets', 'ldy'] as const;
const BIASES = ['bias', 'buckets', 'ages', 'ldages'] as const;
const SIZES = ['rows', 'width', 'heads', 'flags'] as const;
const SHARED = [...OPERANDS, ...BIASES, ...SIZES] as const;

const biasOf = (query: string, key: string): string =>
  `biasOf($bias, $buckets, isCausal, $ages, $ldages, ${query}, ${key})`;

const FORWARD = {
  name: 'pointwiseAttention',
  names: [...SHARED, 'y'],
  kernel: byHead(
    ['y'],
    `
    let end = select(stop, item + 1u, isCausal);
    let q = ${columnsAt('query', 'ldquery', 'item')};
    let share = 1.0 / f32(end - first);
    ${overSpans(
      ['sums'],
      `
      for (var other = first; other < end; other++) {
        let s = dotOf(q, ${columnsAt('key', 'ldkey', 'other')}, width) + ${biasOf('item', 'other')};
        let p = s * sigmoid(s);
        let v = ${columnsAt('value', 'ldvalue', 'other')} + c;
        for (var n = 0u; n < count; n++) { sums[n] += p * f(v + n); }
      }
      for (var n = 0u; n < count; n++) { put(${columnsAt('y', 'ldy', 'item')} + c + n, sums[n] * share); }`,
    )}`,
    FUNCTIONS,
  ),
} as const satisfies Named;

const QUERIES = {
  name: 'pointwiseAttentionQueries',
  names: [...SHARED, 'dy', 'dquery'],
  kernel: byHead(
    ['dquery'],
    `
    let end = select(stop, item + 1u, isCausal);
    let q = ${columnsAt('query', 'ldquery', 'item')};
    let d = ${columnsAt('dy', 'ldy', 'item')};
    let share = 1.0 / f32(end - first);
    ${overSpans(
      ['sums'],
      `
      for (var other = first; other < end; other++) {
        let k = ${columnsAt('key', 'ldkey', 'other')};
        let s = dotOf(q, k, width) + ${biasOf('item', 'other')};
        let slope = siluSlope(s) * share * dotOf(d, ${columnsAt('value', 'ldvalue', 'other')}, width);
        for (var n = 0u; n < count; n++) { sums[n] += slope * f(k + c + n); }
      }
      for (var n = 0u; n < count; n++) {
        add(${columnsAt('dquery', 'ldquery', 'item')} + c + n, sums[n], $flags & 2u);
      }`,
    )}`,
    FUNCTIONS,
  ),
} as const satisfies Named;

/** The gradients of keys and values, from all queries that attend to an item. */
const KEYS = {
  name: 'pointwiseAttentionKeys',
  names: [...SHARED, 'dy', 'dkey', 'dvalue'],
  kernel: byHead(
    ['dkey', 'dvalue'],
    `
    let k = ${columnsAt('key', 'ldkey', 'item')};
    let v = ${columnsAt('value', 'ldvalue', 'item')};
    ${overSpans(
      ['ofKey', 'ofValue'],
      `
      for (var other = select(first, item, isCausal); other < stop; other++) {
        let q = ${columnsAt('query', 'ldquery', 'other')};
        let d = ${columnsAt('dy', 'ldy', 'other')};
        let share = 1.0 / f32(select(stop, other + 1u, isCausal) - first);
        let s = dotOf(q, k, width) + ${biasOf('other', 'item')};
        let p = s * sigmoid(s) * share;
        let slope = siluSlope(s) * share * dotOf(d, v, width);
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
    FUNCTIONS,
  ),
} as const satisfies Named;

/**
 * The gradient of a bias in each row of the batch: the sum over the pairs that have it. Keys of a distance are a range;
 * keys of an octave are searched.
 */
const BIAS_GRADIENT = {
  name: 'pointwiseAttentionBias',
  names: [...SHARED, 'dy', 'dbias', 'lddbias'],
  kernel: {
    form: 'own',
    writes: ['dbias'],
    threads: ({ rows, of }) => rows * of('lddbias'),
    declares: `${HEAD_FUNCTIONS}${FUNCTIONS}`,
    body: `
  let width = $width / $heads;
  let isCausal = ($flags & 1u) != 0u;
  let distances = $buckets & 0xffffu; let octaves = $buckets >> 16u;
  let sides = sidesOf(distances, isCausal);
  for (var i = group * ${THREADS}u + lane; i < $rows * $lddbias; i += groups * ${THREADS}u) {
    let row = i / $lddbias; let index = i % $lddbias;
    let first = m[$offsets + row]; let stop = m[$offsets + row + 1u];
    var sum = 0.0;
    for (var item = first; item < stop; item++) {
      var begin = i32(first); var end = i32(select(stop, item + 1u, isCausal));
      if (index < sides) {
        // The last distance to either side has all keys beyond it.
        let most = i32(distances) - 1;
        let distance = i32(index) - select(most, 0, isCausal);
        if (distance < most) { begin = max(begin, i32(item) - distance); }
        if (distance > -most) { end = min(end, i32(item) - distance + 1); }
      }
      let share = 1.0 / f32(select(stop, item + 1u, isCausal) - first);
      for (var key = begin; key < end; key++) {
        let other = u32(key);
        if (index >= sides) {
          if (index >= sides + octaves) { continue; }
          let octave = octaveOf(octaves, f($ages + item * $ldages), f($ages + other * $ldages));
          if (octave != index - sides) { continue; }
        }
        let added = ${biasOf('item', 'other')};
        for (var at = 0u; at < $width; at += width) {
          let s = dotOf(${columnsAt('query', 'ldquery', 'item')}, ${columnsAt('key', 'ldkey', 'other')}, width) + added;
          let d = dotOf(${columnsAt('dy', 'ldy', 'item')}, ${columnsAt('value', 'ldvalue', 'other')}, width);
          sum += siluSlope(s) * share * d;
        }
      }
    }
    put($dbias + i, sum);
  }`,
  },
} as const satisfies Named;

export const POINTWISE = [FORWARD] as const;
export const POINTWISE_GRADIENT = [QUERIES, KEYS, BIAS_GRADIENT] as const;

const buckets = (call: ListCall) => ({ buckets: call.number('distances') + 2 ** 16 * call.number('octaves') });

/** Returns the call of a forward pass. */
export function expandPointwise(call: ListCall): Expansion {
  return { calls: [attentionCall(FORWARD, call, buckets(call))] };
}

/** Returns the calls of a backward pass: for queries, for keys and values, and for a bias if there is one. */
export function expandPointwiseGradient(call: ListCall): Expansion {
  const calls = [QUERIES, KEYS].map((of) => attentionCall(of, call, buckets(call)));
  if (call.operand('dbias') === 0) return { calls };
  const { rows } = call.ref('dbias').buffer;
  return { calls: [...calls, attentionCall(BIAS_GRADIENT, call, { ...buckets(call), rows })] };
}
