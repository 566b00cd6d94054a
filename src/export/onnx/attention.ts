import { countDistances } from '../../graph/attention.js';
import type { Parameter, Value, ValueOf } from '../../graph/operations.js';
import type { Emission } from './emission.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';
import { padded, type Padded } from './padded.js';

/** Replaces padding in maxima and softmaxes: the lowest float32, since infinities would give NaN in empty rows. */
const LOWEST = -3.4028234663852886e38;

/** Emits an attention over the items of each row; scores have the shape `[batch, heads, queries, keys]`. */
export function emitAttention(value: ValueOf<'segmentAttention'>, emission: Emission): string {
  const { query, key, width, heads, isCausal, isPointwise } = value;
  const { onnx } = emission;
  const of = padded(query.rows, emission);
  const headWidth = width / heads;
  const byHead = (x: Value, perm: readonly number[]): string =>
    onnx.node('Transpose', [onnx.node('Reshape', [of.pad(x), onnx.ints(0, 0, heads, headWidth)])], { perm });
  const products = onnx.node('MatMul', [byHead(query, [0, 2, 1, 3]), byHead(key, [0, 2, 3, 1])]);
  const mask = of.isItem();
  // [batch, length, 1] to [batch, 1, 1, length]
  const isKey = mask && onnx.node('Unsqueeze', [onnx.node('Transpose', [mask], { perm: [0, 2, 1] }), onnx.ints(1)]);
  const masks = [isKey, isCausal ? isEarlier(onnx, products) : undefined].filter((each) => each !== undefined);
  const weights = isPointwise
    ? weighPointwise(onnx, addBiases(value, products, of, emission), masks)
    : weighBySoftmax(onnx, products, headWidth, masks);
  const y = onnx.node('MatMul', [weights, byHead(value.value, [0, 2, 1, 3])]);
  const joined = onnx.node('Reshape', [onnx.node('Transpose', [y], { perm: [0, 2, 1, 3] }), onnx.ints(0, 0, width)]);
  return of.unpad(joined, width);
}

/** Emits x with the lowest number where a mask is false. */
export function masked(onnx: OnnxGraph, x: string, mask: string | undefined): string {
  return mask === undefined ? x : onnx.node('Where', [mask, x, onnx.number(LOWEST, 'float')]);
}

function weighBySoftmax(onnx: OnnxGraph, products: string, headWidth: number, masks: readonly string[]): string {
  const scores = onnx.node('Mul', [products, onnx.number(1 / Math.sqrt(headWidth), 'float')]);
  const seen = masks.reduce((each, mask) => masked(onnx, each, mask), scores);
  return onnx.node('Softmax', [seen], { axis: 3 });
}

/** Emits SiLU(score) / n, for the n keys that count. */
function weighPointwise(onnx: OnnxGraph, scores: string, masks: readonly string[]): string {
  const ones = onnx.node('Expand', [onnx.number(1, 'float'), onnx.node('Shape', [scores])]);
  const asNumbers = (mask: string): string => onnx.node('Cast', [mask], { to: ELEMENT_TYPES.float });
  const counts = masks.reduce((product, mask) => onnx.node('Mul', [product, asNumbers(mask)]), ones);
  const silu = onnx.node('Mul', [scores, onnx.node('Sigmoid', [scores])]);
  const sum = onnx.node('ReduceSum', [counts, onnx.ints(3)], { keepdims: 1 });
  // A row without items has no keys.
  const count = onnx.node('Max', [sum, onnx.number(1, 'float')]);
  return onnx.node('Div', [onnx.node('Mul', [silu, counts]), count]);
}

/** Emits scores with the biases of distances and of differences of ages. */
function addBiases(
  { bias, distances, octaves, ages, isCausal }: ValueOf<'segmentAttention'>,
  scores: string,
  { pad }: Padded,
  { onnx, weights }: Emission,
): string {
  if (bias === undefined) return scores;
  const table = onnx.tensor(bias.name, weights(bias));
  const add = (sum: string, index: string): string => onnx.node('Add', [sum, onnx.node('Gather', [table, index])]);
  const near = distances === 0 ? scores : add(scores, distanceIndices(onnx, scores, distances, isCausal));
  if (ages === undefined) return near;
  // [batch, length, 1] to [batch, 1, queries, keys]
  const own = onnx.node('Unsqueeze', [pad(ages), onnx.ints(1)]);
  const other = onnx.node('Transpose', [own], { perm: [0, 1, 3, 2] });
  const octave = octavesOf(onnx, onnx.node('Abs', [onnx.node('Sub', [own, other])]), octaves, bias);
  const first = onnx.number(countDistances({ isCausal, distances }), 'int64');
  return add(near, onnx.node('Add', [octave, first]));
}

/** Emits the index of the bias of each query and key. */
function distanceIndices(onnx: OnnxGraph, scores: string, distances: number, isCausal: boolean): string {
  const length = onnx.node('Slice', [onnx.node('Shape', [scores]), onnx.ints(2), onnx.ints(3)]);
  const limit = onnx.node('Squeeze', [length]);
  const places = onnx.node('Range', [onnx.number(0, 'int64'), limit, onnx.number(1, 'int64')]);
  const distance = onnx.node('Sub', [onnx.node('Unsqueeze', [places, onnx.ints(1)]), places]);
  const most = distances - 1;
  return isCausal
    ? clip(onnx, distance, 0, most)
    : onnx.node('Add', [clip(onnx, distance, -most, most), onnx.number(most, 'int64')]);
}

/** Emits the octave of 1 + x. A logarithm near an integer may be rounded to either side of it: powers decide. */
function octavesOf(onnx: OnnxGraph, x: string, octaves: number, { name }: Parameter): string {
  const next = onnx.node('Add', [x, onnx.number(1, 'float')]);
  const bounds = Float32Array.from({ length: octaves + 1 }, (_, n) => (n < octaves ? 2 ** n : -LOWEST));
  const powers = onnx.tensor(`${name}.octaves`, { shape: [octaves + 1], data: bounds });
  const log = onnx.node('Mul', [onnx.node('Log', [next]), onnx.number(1 / Math.LN2, 'float')]);
  const asInteger = (value: string): string => onnx.node('Cast', [value], { to: ELEMENT_TYPES.int64 });
  const near = clip(onnx, asInteger(onnx.node('Floor', [log])), 0, octaves - 1);
  const after = onnx.node('Gather', [powers, onnx.node('Add', [near, onnx.number(1, 'int64')])]);
  const isAbove = asInteger(onnx.node('GreaterOrEqual', [next, after]));
  const isBelow = asInteger(onnx.node('Less', [next, onnx.node('Gather', [powers, near])]));
  return onnx.node('Sub', [onnx.node('Add', [near, isAbove]), isBelow]);
}

function clip(onnx: OnnxGraph, x: string, low: number, high: number): string {
  return onnx.node('Clip', [x, onnx.number(low, 'int64'), onnx.number(high, 'int64')]);
}

/** Emits whether a key is not later than a query. */
function isEarlier(onnx: OnnxGraph, scores: string): string {
  const shape = onnx.node('Slice', [onnx.node('Shape', [scores]), onnx.ints(2), onnx.ints(4)]);
  const ones = onnx.node('Expand', [onnx.number(1, 'float'), shape]);
  return onnx.node('Cast', [onnx.node('Trilu', [ones], { upper: 0 })], { to: ELEMENT_TYPES.bool });
}
