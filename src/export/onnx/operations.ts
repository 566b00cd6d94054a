import {
  isParametric,
  type CombinedOperation,
  type LossName,
  type OperationName,
  type Parameter,
  type ParametricActivation,
  type RunningStatistics,
  type Value,
  type ValueOf,
} from '../../graph/operations.js';
import { SCALAR_ACTIVATIONS, SCALAR_FUNCTIONS } from '../../graph/scalar-functions.js';
import type { HostTensor } from '../../core/tensor.js';
import type { Emission, Emit } from './emission.js';
import { ITEM_OPERATIONS } from './item-operations.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';
import { emitFunction } from './scalar-functions.js';
import { SEARCH_OPERATIONS } from './search-operations.js';

type EmitTable = { readonly [Name in Exclude<OperationName, LossName | CombinedOperation>]: Emit<Name> };

/** Emits columns `begin` to `end`. */
function columns(onnx: OnnxGraph, x: string, begin: number, end: number): string {
  return onnx.node('Slice', [x, onnx.ints(begin), onnx.ints(end), onnx.ints(1)]);
}

const sumOver = (onnx: OnnxGraph, x: string): string => onnx.node('ReduceSum', [x, onnx.ints(1)], { keepdims: 1 });

/** All operations except losses, as ONNX nodes. */
export const EMITTED: EmitTable = {
  input({ source, width }, { features, items }) {
    if (source.kind === 'label') throw new Error(`a prediction depends on the label '${source.column}'`);
    return source.kind === 'features' ? features(source.begin, source.begin + width) : items(source);
  },

  linear({ x, weight, bias }, emission) {
    return linear(emission, emission.of(x), weight.name, emission.weights(weight), bias && emission.weights(bias).data);
  },

  // y = (x - mean) / √(variance + ε) · gain + shift is an affine layer.
  batchNorm({ x, gain, shift, running }, emission) {
    const { factor, offset } = normalization(
      emission,
      running,
      emission.weights(gain).data,
      emission.weights(shift).data,
    );
    if (x.op === 'linear' && emission.isReadOnce(x)) return foldedLinear(emission, x, factor, offset);
    return scaled(emission, emission.of(x), gain.name, factor, offset);
  },

  activation(value, emission) {
    const { kind } = value;
    const x = emission.of(value.x);
    if (isParametric(kind)) return ACTIVATE[kind](value, x, emission);
    return emitFunction(emission.onnx, SCALAR_ACTIVATIONS[kind], x);
  },

  layerNorm: ({ x, gain, shift, epsilon }, { onnx, of, weights }) =>
    onnx.node(
      'LayerNormalization',
      [of(x), onnx.tensor(gain.name, weights(gain)), onnx.tensor(shift.name, weights(shift))],
      { axis: 1, epsilon: { float: epsilon } },
    ),

  dropout: ({ x }, { of }) => of(x),

  softmax: ({ x }, { onnx, of }) => onnx.node('Softmax', [of(x)], { axis: 1 }),

  concat: ({ xs }, { onnx, of }) => onnx.node('Concat', xs.map(of), { axis: 1 }),

  slice: ({ x, begin, width }, { onnx, of }) => columns(onnx, of(x), begin, begin + width),

  // [batch, count, width], or [batch, width, count] if interleaved
  split: ({ x, width, isInterleaved }, { onnx, of }) => {
    const rows = isInterleaved ? swapped(onnx, of(x), width, x.width / width) : of(x);
    return onnx.node('Reshape', [rows, onnx.ints(-1, width)]);
  },

  join: ({ x, width, isInterleaved }, { onnx, of }) => {
    const rows = isInterleaved ? swapped(onnx, of(x), width / x.width, x.width) : of(x);
    return onnx.node('Reshape', [rows, onnx.ints(-1, width)]);
  },

  ...ITEM_OPERATIONS,
  ...SEARCH_OPERATIONS,

  multiply: ({ a, b }, { onnx, of }) => onnx.node('Mul', [of(a), of(b)]),

  add: ({ a, b }, { onnx, of }) => onnx.node('Add', [of(a), of(b)]),

  affine: ({ x, factor, offset }, { onnx, of }) =>
    onnx.node('Add', [onnx.node('Mul', [of(x), onnx.number(factor, 'float')]), onnx.number(offset, 'float')]),

  map: ({ x, of: name }, { onnx, of }) => emitFunction(onnx, SCALAR_FUNCTIONS[name], of(x)),

  // σ(a) σ(b) = e^l has the logit l - log(1 - e^l).
  productLogit: ({ a, b }, { onnx, of }) => {
    const log = onnx.node('Neg', [
      onnx.node(
        'Add',
        [a, b].map((logit) => onnx.node('Softplus', [onnx.node('Neg', [of(logit)])])),
      ),
    ]);
    return onnx.node('Sub', [
      log,
      onnx.node('Log', [onnx.node('Sub', [onnx.number(1, 'float'), onnx.node('Exp', [log])])]),
    ]);
  },

  crossEntropy: ({ logit, label }, { onnx, of }) =>
    onnx.node('Sub', [onnx.node('Softplus', [of(logit)]), onnx.node('Mul', [of(label), of(logit)])]),

  reciprocal: ({ x }, { onnx, of }) => onnx.node('Reciprocal', [of(x)]),

  clip: ({ x, low, high }, { onnx, of }) =>
    onnx.node('Clip', [of(x), onnx.number(low, 'float'), onnx.number(high, 'float')]),

  batchSum: ({ x }, { onnx, of }) =>
    onnx.node('Expand', [onnx.node('ReduceSum', [of(x), onnx.ints(0)], { keepdims: 1 }), onnx.node('Shape', [of(x)])]),

  groupLogSumExp: ({ x, groups }, { onnx, of }) =>
    onnx.node(
      'ReduceLogSumExp',
      [onnx.node('Where', [sameGroup(onnx, of(groups)), turned(onnx, of(x)), onnx.number(-1e30, 'float')])],
      { axes: [1], keepdims: 1 },
    ),

  groupPairs: ({ x, label, groups }, { onnx, of }) => {
    const isNegative = onnx.node('Sub', [onnx.number(1, 'float'), turned(onnx, of(label))]);
    const pairs = onnx.node('Mul', [
      onnx.node('Cast', [sameGroup(onnx, of(groups))], { to: ELEMENT_TYPES.float }),
      onnx.node('Mul', [of(label), isNegative]),
    ]);
    const losses = onnx.node('Softplus', [onnx.node('Sub', [turned(onnx, of(x)), of(x)])]);
    return onnx.node('Div', [
      sumOver(onnx, onnx.node('Mul', [losses, pairs])),
      onnx.node('Max', [sumOver(onnx, pairs), onnx.number(1, 'float')]),
    ]);
  },

  stopGradient: ({ x }, { of }) => of(x),

  // [batch, 1, experts] · [batch, experts, width]
  mixture({ gate, experts }, { onnx, of }) {
    const stacked = onnx.node(
      'Concat',
      experts.map((expert) => onnx.node('Unsqueeze', [of(expert), onnx.ints(1)])),
      { axis: 1 },
    );
    return onnx.node('Squeeze', [
      onnx.node('MatMul', [onnx.node('Unsqueeze', [of(gate), onnx.ints(1)]), stacked]),
      onnx.ints(1),
    ]);
  },

  attend({ tokens, query, key, value, width }, emission) {
    const { onnx } = emission;
    const project = (token: Value, matrix: Parameter): string =>
      onnx.node('MatMul', [emission.of(token), onnx.tensor(matrix.name, emission.weights(matrix))]);
    const scores = tokens.map((token) => sumOver(onnx, onnx.node('Mul', [project(token, query), project(token, key)])));
    const scaledScores = onnx.node('Mul', [
      onnx.node('Concat', scores, { axis: 1 }),
      onnx.number(1 / Math.sqrt(width), 'float'),
    ]);
    const shares = onnx.node('Softmax', [scaledScores], { axis: 1 });
    const [first, second] = tokens.map((token, t) =>
      onnx.node('Mul', [columns(onnx, shares, t, t + 1), project(token, value)]),
    );
    return onnx.node('Add', [first!, second!]);
  },
};

/** Emits [batch, a, b] with the last two dimensions swapped, from a matrix of any rows. */
function swapped(onnx: OnnxGraph, x: string, a: number, b: number): string {
  return onnx.node('Transpose', [onnx.node('Reshape', [x, onnx.ints(-1, a, b)])], { perm: [0, 2, 1] });
}

/** Emits a column as a row. */
function turned(onnx: OnnxGraph, column: string): string {
  return onnx.node('Transpose', [column], { perm: [1, 0] });
}

/** Emits which rows are in the same group, [batch, batch]; a row without a group is only in its own. */
function sameGroup(onnx: OnnxGraph, groups: string): string {
  const same = onnx.node('Equal', [groups, turned(onnx, groups)]);
  const inGroup = onnx.node('And', [same, onnx.node('GreaterOrEqual', [groups, onnx.number(0, 'float')])]);
  return onnx.node('Or', [
    inGroup,
    onnx.node('Cast', [onnx.node('EyeLike', [onnx.node('Cast', [same], { to: ELEMENT_TYPES.float })])], {
      to: ELEMENT_TYPES.bool,
    }),
  ]);
}

type ActivationValue = ValueOf<'activation'>;

const ACTIVATE: {
  readonly [Kind in ParametricActivation]: (value: ActivationValue, x: string, emission: Emission) => string;
} = {
  prelu: ({ slope }, x, { onnx, weights }) => onnx.node('PRelu', [x, onnx.tensor(slope!.name, weights(slope!))]),
  // p x + (1 - p) slope x, where p is the sigmoid of the batch-normalized x.
  dice({ slope, running, width }, x, emission) {
    const { onnx } = emission;
    const { factor, offset } = normalization(
      emission,
      running!,
      new Float32Array(width).fill(1),
      new Float32Array(width),
    );
    const p = onnx.node('Sigmoid', [scaled(emission, x, slope!.name, factor, offset)]);
    const below = onnx.node('Mul', [
      onnx.node('Sub', [onnx.number(1, 'float'), p]),
      onnx.tensor(slope!.name, emission.weights(slope!)),
    ]);
    return onnx.node('Mul', [x, onnx.node('Add', [p, below])]);
  },
};

/** Emits normalization by running statistics as x · factor + offset, per column. */
function normalization(
  { weights }: Emission,
  { mean, variance, epsilon }: RunningStatistics,
  gain: Float32Array,
  shift: Float32Array,
): { readonly factor: Float64Array; readonly offset: Float64Array } {
  const [means, variances] = [weights(mean).data, weights(variance).data];
  const factor = Float64Array.from(gain, (value, c) => value / Math.sqrt(variances[c]! + epsilon));
  return { factor, offset: Float64Array.from(shift, (value, c) => value - means[c]! * factor[c]!) };
}

function scaled({ onnx }: Emission, x: string, name: string, factor: Float64Array, offset: Float64Array): string {
  const vector = (role: string, data: Float64Array): string =>
    onnx.tensor(`${name}.${role}`, { shape: [data.length], data: Float32Array.from(data) });
  return onnx.node('Add', [onnx.node('Mul', [x, vector('factor', factor)]), vector('offset', offset)]);
}

/** Emits (x W + b) · factor + offset as one layer. */
function foldedLinear(
  emission: Emission,
  { x, weight, bias }: ValueOf<'linear'>,
  factor: Float64Array,
  offset: Float64Array,
): string {
  const { shape, data } = emission.weights(weight);
  const biases = bias && emission.weights(bias).data;
  const folded = Float32Array.from(data, (w, i) => w * factor[i % factor.length]!);
  return linear(
    emission,
    emission.of(x),
    `${weight.name}.folded`,
    { shape, data: folded },
    Float32Array.from(offset, (value, c) => value + (biases?.[c] ?? 0) * factor[c]!),
  );
}

function linear(
  { onnx }: Emission,
  x: string,
  name: string,
  weight: HostTensor,
  bias: Float32Array | undefined,
): string {
  const matrix = onnx.tensor(name, weight);
  if (bias === undefined) return onnx.node('MatMul', [x, matrix]);
  return onnx.node('Gemm', [x, matrix, onnx.tensor(`${name}.bias`, { shape: [bias.length], data: bias })]);
}
