import { mapsOf } from './batches.js';
import { column, type BagColumn, type Batch } from '../../src/core/batch.js';
import { tableTensor, type Plan } from '../../src/engines/engine.js';
import {
  isLoss,
  type Activation,
  type CombinedOperation,
  type ItemField,
  type LossName,
  type OperationName,
  type Parameter,
  type Pooling,
  type RunningStatistics,
  type Value,
  type ValueOf,
} from '../../src/graph/operations.js';
import { dropoutMask, streamKey } from '../../src/core/random.js';
import type { Domain, ParentItems } from '../../src/graph/domain.js';
import {
  computeSlope,
  SCALAR_ACTIVATIONS,
  SCALAR_FUNCTIONS,
  type Arithmetic,
  type ScalarFunction,
} from '../../src/graph/scalar-functions.js';
import { interpolateRows } from '../../src/tables/interpolate-rows.js';
import { createTape, type Node, type Tape } from './tape.js';

// Reference for engines: forward and backward pass of a step in float64, from the formulas; only dropout masks come
// from the engine.

/** Results of a training step. */
export interface Float64Pass {
  readonly losses: ReadonlyMap<string, number>;
  readonly predictions: ReadonlyMap<string, Float64Array>;
  /** By tensor name, including tables. */
  readonly gradients: ReadonlyMap<string, Float64Array>;
}

interface Run {
  readonly tape: Tape;
  readonly rows: number;
  readonly batch: Batch;
  readonly mode: 'train' | 'predict';
  get(value: Value): Node;
  parameter(parameter: Parameter): Node;
  input(value: ValueOf<'input'>): Node;
  mask(name: string, rate: number, length: number): Float32Array;
  /** By node index: constant values of nodes without a gradient. */
  readonly stopped: Map<number, Float64Array>;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const sigmoidSlope = (x: number): number => sigmoid(x) * sigmoid(-x);
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/**
 * Error function by a series of positive terms: e^-x² 2/√π Σ 2^n x^(2n+1) / (2n+1)!! (Abramowitz & Stegun 1964, 7.1.6).
 */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; n < 200; n++) sum += term *= (2 * x * x) / (2 * n + 1);
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const FLOAT64: Arithmetic<number> = {
  number: (value) => value,
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  multiplyAdd: (a, b, c) => a * b + c,
  reciprocal: (x) => 1 / x,
  step: (x, below) => (x > 0 ? 1 : below),
  positive: (x) => Math.max(x, 0),
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  softplus,
  sign: Math.sign,
  sin2Pi: (x) => Math.sin(2 * Math.PI * x),
  cos2Pi: (x) => Math.cos(2 * Math.PI * x),
  sigmoid,
  tanh: Math.tanh,
  distribution: (x) => (1 + erf(x * Math.SQRT1_2)) / 2,
  density: (x) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI),
};

/** Returns a scalar function in float64, and its derivative as a function of its operand. */
export function inFloat64(each: ScalarFunction): [f: (x: number) => number, slope: (x: number) => number] {
  const f = (x: number): number => each.value(FLOAT64, x);
  return [f, (x) => computeSlope(each, FLOAT64, x, f(x))];
}

type ActivationNode = (x: Node, value: ValueOf<'activation'>, run: Run) => Node;
const ACTIVATION: { readonly [Kind in Exclude<Activation, keyof typeof SCALAR_ACTIVATIONS>]: ActivationNode } = {
  prelu: (x, { slope }, { tape, parameter }) =>
    tape.zip(
      x,
      parameter(slope!),
      (v, s) => (v > 0 ? v : s * v),
      (v, s) => (v > 0 ? [1, 0] : [s, v]),
    ),
  dice(x, { slope, running }, run) {
    const { tape } = run;
    const p = tape.map(normalized(x, running!, run), sigmoid, sigmoidSlope);
    const rest = tape.map(
      p,
      (v) => 1 - v,
      () => -1,
    );
    return tape.multiply(x, tape.add(p, tape.multiply(rest, run.parameter(slope!))));
  },
};

/** (x - mean) / √(variance + ε) */
function normalized(x: Node, { mean, variance, epsilon }: RunningStatistics, { tape, mode, parameter }: Run): Node {
  const average = (v: Node): Node =>
    tape.map(
      tape.sum(v, 'rows'),
      (sum) => sum / v.rows,
      () => 1 / v.rows,
    );
  const negative = (v: Node): Node =>
    tape.map(
      v,
      (each) => -each,
      () => -1,
    );
  const centered = tape.add(x, negative(mode === 'train' ? average(x) : parameter(mean)));
  const spread = mode === 'train' ? average(tape.multiply(centered, centered)) : parameter(variance);
  return tape.multiply(
    centered,
    tape.map(
      spread,
      (v) => (v + epsilon) ** -0.5,
      (v) => -0.5 * (v + epsilon) ** -1.5,
    ),
  );
}

/** e^x / Σ e^x of each row. */
function softmax(x: Node, { tape }: Run): Node {
  // The result does not depend on the subtracted value.
  const shift = Math.max(...x.y);
  const powers = tape.map(
    x,
    (v) => Math.exp(v - shift),
    (v) => Math.exp(v - shift),
  );
  return tape.zip(
    powers,
    tape.sum(powers, 'columns'),
    (e, sum) => e / sum,
    (e, sum) => [1 / sum, -e / (sum * sum)],
  );
}

/** Begin and end of the items of each row. */
function segmentsOf({ rows: domain }: { readonly rows: Domain }, { rows, batch }: Run): (readonly [number, number])[] {
  if (domain.kind === 'batch' || domain.kind === 'shared') throw new Error(`rows of ${domain.kind} have no items`);
  if (domain.kind === 'blocks')
    return Array.from({ length: rows }, (_, b) => [b * domain.count, (b + 1) * domain.count] as const);
  const { offsets } = column(batch, domain.field, 'list');
  if (domain.kind === 'items' && domain.parent !== undefined) return valuesOf(domain.parent, batch);
  const all = Array.from({ length: rows }, (_, b) => [offsets[b]!, offsets[b + 1]!] as const);
  if (domain.kind === 'items') return all;
  let end = 0;
  return all.map(([begin, stop]) => [end, (end += Math.min(stop - begin, domain.count))] as const);
}

/** Begin and end of the values of each item. */
function valuesOf({ counts }: ParentItems, batch: Batch): (readonly [number, number])[] {
  const { offsets, weights } = column(batch, counts, 'list');
  let end = 0;
  return Array.from(weights.subarray(0, offsets[batch.rows]), (count) => [end, (end += count)] as const);
}

/** The product of parts of two matrices. */
const dot = (a: Float64Array, atA: number, b: Float64Array, atB: number, length: number): number =>
  Array.from({ length }, (_, i) => a[atA + i]! * b[atB + i]!).reduce((sum, product) => sum + product, 0);

/** Weights of the items that an item attends to, and the gradients of their scores from those of the weights. */
interface Weighing {
  readonly weights: readonly number[];
  gradients(slopes: readonly number[]): readonly number[];
}

function softmaxOf(scores: readonly number[]): Weighing {
  const powers = scores.map(Math.exp);
  const sum = powers.reduce((total, power) => total + power, 0);
  const weights = powers.map((power) => power / sum);
  return {
    weights,
    gradients(slopes) {
      const mean = slopes.reduce((total, slope, n) => total + weights[n]! * slope, 0);
      return slopes.map((slope, n) => weights[n]! * (slope - mean));
    },
  };
}

/** SiLU(s) / n */
const pointwise = (scores: readonly number[]): Weighing => ({
  weights: scores.map((s) => (s * sigmoid(s)) / scores.length),
  gradients: (slopes) =>
    slopes.map((slope, n) => (slope * (sigmoid(scores[n]!) + scores[n]! * sigmoidSlope(scores[n]!))) / scores.length),
});

/** Indices of the biases of a query and a key: of their distance, and of the octave of the difference of their ages. */
function biasesOf(
  { distances, octaves, isCausal, bias }: ValueOf<'segmentAttention'>,
  ages: Float64Array | undefined,
  query: number,
  key: number,
): readonly number[] {
  const near = Math.sign(query - key) * Math.min(Math.abs(query - key), distances - 1);
  const by = distances === 0 ? [] : [isCausal ? near : near + distances - 1];
  if (ages === undefined) return by;
  const next = Math.fround(1 + Math.fround(Math.abs(ages[query]! - ages[key]!)));
  const octave = Array.from({ length: octaves - 1 }, (_, n) => 2 ** (n + 1)).filter((bound) => bound <= next).length;
  return [...by, bias!.shape[0]! - octaves + octave];
}

/** Rows of each row's group; a row without a group forms one. */
const membersOf = (groups: Float64Array): number[][] =>
  Array.from(groups, (group, i) => (group < 0 ? [i] : Array.from(groups.keys()).filter((j) => groups[j] === group)));

/** A linear map between rows: y[to] += factor · x[from]. */
function moved(
  tape: Tape,
  x: Node,
  rows: number,
  moves: readonly { readonly from: number; readonly to: number; readonly factor: number }[],
): Node {
  const { width } = x;
  const y = new Float64Array(rows * width);
  for (const { from, to, factor } of moves)
    for (let c = 0; c < width; c++) y[to * width + c]! += factor * x.y[from * width + c]!;
  return tape.node(rows, width, y, (d) => {
    for (const { from, to, factor } of moves)
      for (let c = 0; c < width; c++) x.d[from * width + c]! += factor * d[to * width + c]!;
  });
}

/** Copies the columns of each row of the batch to blocks, or back: a permutation of elements. */
function rearranged(
  tape: Tape,
  x: Node,
  to: { readonly rows: number; readonly width: number },
  isInterleaved: boolean,
): Node {
  const isSplit = to.width < x.width;
  const [width, blockWidth] = isSplit ? [x.width, to.width] : [to.width, x.width];
  const count = width / blockWidth;
  // Element of a split matrix by its position among the columns of a row.
  const source = Array.from({ length: x.y.length }, (_, i) => {
    const [row, c] = [Math.floor(i / width), i % width];
    const [block, column] = isInterleaved
      ? [c % count, Math.floor(c / count)]
      : [Math.floor(c / blockWidth), c % blockWidth];
    return (row * count + block) * blockWidth + column;
  });
  const pairs = source.map(
    (split, joined) => (isSplit ? [joined, split] : [split, joined]) as readonly [number, number],
  );
  const y = new Float64Array(x.y.length);
  for (const [from, at] of pairs) y[at] = x.y[from]!;
  return tape.node(to.rows, to.width, y, (d) => {
    for (const [from, at] of pairs) x.d[from]! += d[at]!;
  });
}

const OPERATION: {
  readonly [Name in Exclude<OperationName, LossName | CombinedOperation>]: (value: ValueOf<Name>, run: Run) => Node;
} = {
  input: (value, { input }) => input(value),
  expand(value, run) {
    const x = run.get(value.x);
    const segments = segmentsOf(value, run);
    const moves = segments.flatMap(([begin, end], from) =>
      Array.from({ length: end - begin }, (_, i) => ({ from, to: begin + i, factor: 1 })),
    );
    return moved(run.tape, x, segments.at(-1)![1], moves);
  },
  segmentPool(value, run) {
    const x = run.get(value.x);
    const segments = segmentsOf(value.x, run);
    if (value.of !== 'max') {
      const moves = segments.flatMap(([begin, end], to) =>
        Array.from({ length: end - begin }, (_, i) => ({
          from: begin + i,
          to,
          factor: value.of === 'mean' ? 1 / (end - begin) : 1,
        })),
      );
      const weighted = value.weights === undefined ? x : run.tape.multiply(x, run.get(value.weights));
      return moved(run.tape, weighted, segments.length, moves);
    }
    const { width } = value;
    const best = segments.flatMap(([begin, end]) =>
      Array.from({ length: width }, (_, c) =>
        Array.from({ length: end - begin }, (__, i) => (begin + i) * width + c).reduce(
          (most, at) => (most < 0 || x.y[at]! > x.y[most]! ? at : most),
          -1,
        ),
      ),
    );
    return run.tape.node(
      segments.length,
      width,
      best.map((at) => (at < 0 ? 0 : x.y[at]!)),
      (d) => {
        for (const [i, at] of best.entries()) if (at >= 0) x.d[at]! += d[i]!;
      },
    );
  },
  segmentSoftmax(value, run) {
    const x = run.get(value.x);
    const { width } = x;
    const y = new Float64Array(x.y.length);
    const segments = segmentsOf(value, run);
    const over = (visit: (indices: number[]) => void): void => {
      for (const [begin, end] of segments)
        for (let c = 0; c < width; c++) visit(Array.from({ length: end - begin }, (_, i) => (begin + i) * width + c));
    };
    over((indices) => {
      const sum = indices.reduce((total, at) => total + Math.exp(x.y[at]!), 0);
      for (const at of indices) y[at] = Math.exp(x.y[at]!) / sum;
    });
    return run.tape.node(x.rows, width, y, (d) =>
      over((indices) => {
        const dot = indices.reduce((total, at) => total + d[at]! * y[at]!, 0);
        for (const at of indices) x.d[at]! += y[at]! * (d[at]! - dot);
      }),
    );
  },
  shift(value, run) {
    const x = run.get(value.x);
    const moves = segmentsOf(value, run).flatMap(([begin, end]) =>
      Array.from({ length: end - begin }, (_, i) => ({ from: begin + i - value.by, to: begin + i, factor: 1 })).filter(
        ({ from }) => from >= begin && from < end,
      ),
    );
    return moved(run.tape, x, x.rows, moves);
  },
  segmentAttention(value, run) {
    const [q, k, v] = [value.query, value.key, value.value].map((operand) => run.get(operand)) as [Node, Node, Node];
    const { width, heads, isCausal, isPointwise } = value;
    const d = width / heads;
    const scale = isPointwise ? 1 : 1 / Math.sqrt(d);
    const bias = value.bias && run.parameter(value.bias);
    const ages = value.ages && run.get(value.ages).y;
    const y = new Float64Array(q.y.length);
    /** Visits the scores of each query and head: items, and where columns of the head begin. */
    const over = (visit: (i: number, keys: readonly number[], scores: readonly number[], at: number) => void): void => {
      for (const [begin, end] of segmentsOf(value, run))
        for (let i = begin; i < end; i++)
          for (let at = 0; at < width; at += d) {
            const keys = Array.from({ length: (isCausal ? i + 1 : end) - begin }, (_, j) => begin + j);
            const added = (j: number) => biasesOf(value, ages, i, j).reduce((sum, n) => sum + bias!.y[n]!, 0);
            visit(
              i,
              keys,
              keys.map((j) => dot(q.y, i * width + at, k.y, j * width + at, d) * scale + added(j)),
              at,
            );
          }
    };
    const weigh = isPointwise ? pointwise : softmaxOf;
    over((i, keys, scores, at) => {
      const { weights } = weigh(scores);
      for (const [n, j] of keys.entries())
        for (let c = at; c < at + d; c++) y[i * width + c]! += weights[n]! * v.y[j * width + c]!;
    });
    return run.tape.node(q.rows, width, y, (dy) =>
      over((i, keys, scores, at) => {
        const { weights, gradients } = weigh(scores);
        const slopes = gradients(keys.map((j) => dot(dy, i * width + at, v.y, j * width + at, d)));
        for (const [n, j] of keys.entries()) {
          const ds = slopes[n]! * scale;
          for (const index of biasesOf(value, ages, i, j)) bias!.d[index]! += slopes[n]!;
          for (let c = at; c < at + d; c++) {
            v.d[j * width + c]! += weights[n]! * dy[i * width + c]!;
            q.d[i * width + c]! += ds * k.y[j * width + c]!;
            k.d[j * width + c]! += ds * q.y[i * width + c]!;
          }
        }
      }),
    );
  },
  segmentGru({ x, weight, bias, attention, width, ...value }, run) {
    const { tape, get, parameter } = run;
    const rowOf = (all: Node, from: number): Node => moved(tape, all, 1, [{ from, to: 0, factor: 1 }]);
    const tanh = (node: Node): Node => tape.map(node, Math.tanh, (v) => 1 - Math.tanh(v) ** 2);
    const rest = (node: Node): Node =>
      tape.map(
        node,
        (v) => 1 - v,
        () => -1,
      );
    let states = tape.node(get(x).rows, width, new Float64Array(get(x).rows * width));
    for (const [begin, end] of segmentsOf(value, run)) {
      let before = tape.node(1, width, new Float64Array(width));
      for (let item = begin; item < end; item++) {
        const own = tape.add(tape.product(before, parameter(weight)), parameter(bias));
        const gate = (node: Node, g: number): Node => tape.columns(node, g * width, width);
        const [input, product] = [rowOf(get(x), item), gate(own, 2)];
        const [r, z] = [0, 1].map((g) => tape.map(tape.add(gate(input, g), gate(own, g)), sigmoid, sigmoidSlope));
        const n = tanh(tape.add(gate(input, 2), tape.multiply(r!, product)));
        const update = attention === undefined ? rest(z!) : tape.multiply(rest(z!), rowOf(get(attention), item));
        before = tape.add(tape.multiply(rest(update), before), tape.multiply(update, n));
        states = tape.add(states, moved(tape, before, states.rows, [{ from: 0, to: item, factor: 1 }]));
      }
    }
    return states;
  },
  itemProduct(value, run) {
    const [x, q] = [run.get(value.x), run.get(value.query)];
    const pairs = segmentsOf(value, run).flatMap(([begin, end], b) =>
      Array.from({ length: end - begin }, (_, i) => [begin + i, b] as const),
    );
    const { width } = x;
    const y = pairs.map(([i, b]) => dot(x.y, i * width, q.y, b * width, width));
    return run.tape.node(pairs.length, 1, y, (d) => {
      for (const [i, b] of pairs)
        for (let c = 0; c < width; c++) {
          x.d[i * width + c]! += d[i]! * q.y[b * width + c]!;
          q.d[b * width + c]! += d[i]! * x.y[i * width + c]!;
        }
    });
  },
  hashMatches(value, run) {
    const { tape, get, parameter } = run;
    const bitsOf = (x: Value): Node => tape.product(get(x), parameter(value.projection));
    const [items, queries] = [bitsOf(value.x), bitsOf(value.query)];
    const bits = items.width;
    const counts = segmentsOf(value, run).flatMap(([begin, end], b) =>
      Array.from(
        { length: end - begin },
        (_, i) =>
          Array.from({ length: bits }, (__, n) => n).filter(
            (n) => items.y[(begin + i) * bits + n]! < 0 === queries.y[b * bits + n]! < 0,
          ).length,
      ),
    );
    return tape.node(counts.length, 1, counts);
  },
  selectTop(value, run) {
    const { y } = run.get(value.scores);
    const sizes = segmentsOf(value, run).map(([begin, end]) => end - begin);
    const positions = segmentsOf(value.scores, run).flatMap(([begin, end], b) => {
      const newestFirst = Array.from({ length: end - begin }, (_, i) => end - 1 - i);
      const best = newestFirst.sort((i, j) => y[j]! - y[i]! || j - i).slice(0, sizes[b]);
      return best.map((i) => end - 1 - i).sort((p, q) => q - p);
    });
    return run.tape.node(positions.length, 1, positions);
  },
  gatherItems(value, run) {
    const positions = run.get(value.positions).y;
    const ends = segmentsOf(value.x, run).map(([, end]) => end);
    const moves = segmentsOf(value, run).flatMap(([begin, end], b) =>
      Array.from({ length: end - begin }, (_, i) => ({
        from: ends[b]! - 1 - positions[begin + i]!,
        to: begin + i,
        factor: 1,
      })),
    );
    return moved(run.tape, run.get(value.x), moves.length, moves);
  },
  itemPosition(value, run) {
    const positions = segmentsOf(value, run).flatMap(([begin, end]) =>
      Array.from({ length: end - begin }, (_, i) => end - begin - 1 - i),
    );
    return run.tape.node(positions.length, 1, positions);
  },
  linear({ x, weight, bias }, { tape, get, parameter }) {
    const product = tape.product(get(x), parameter(weight));
    return bias === undefined ? product : tape.add(product, parameter(bias));
  },
  batchNorm: ({ x, gain, shift, running }, run) =>
    run.tape.add(run.tape.multiply(normalized(run.get(x), running, run), run.parameter(gain)), run.parameter(shift)),
  layerNorm({ x, gain, shift, epsilon, width }, run) {
    const { tape, get, parameter } = run;
    const average = (v: Node): Node =>
      tape.map(
        tape.sum(v, 'columns'),
        (sum) => sum / width,
        () => 1 / width,
      );
    const centered = tape.add(
      get(x),
      tape.map(
        average(get(x)),
        (v) => -v,
        () => -1,
      ),
    );
    const inverse = tape.map(
      average(tape.multiply(centered, centered)),
      (v) => (v + epsilon) ** -0.5,
      (v) => -0.5 * (v + epsilon) ** -1.5,
    );
    return tape.add(tape.multiply(tape.multiply(centered, inverse), parameter(gain)), parameter(shift));
  },
  activation(value, run) {
    const { kind } = value;
    if (kind === 'prelu' || kind === 'dice') return ACTIVATION[kind](run.get(value.x), value, run);
    return run.tape.map(run.get(value.x), ...inFloat64(SCALAR_ACTIVATIONS[kind]));
  },
  dropout({ x, rate, name, width }, { tape, mode, get, mask }) {
    const { rows } = get(x);
    return mode === 'train' ? tape.multiply(get(x), tape.node(rows, width, mask(name, rate, rows * width))) : get(x);
  },
  softmax: ({ x }, run) => softmax(run.get(x), run),
  concat({ xs, width }, { tape, get }) {
    const parts = xs.map(get);
    const { rows } = parts[0]!;
    const y = Array.from({ length: rows }, (_, r) =>
      parts.flatMap((part) => [...part.y.subarray(r * part.width, (r + 1) * part.width)]),
    ).flat();
    return tape.node(rows, width, y, (d) => {
      let begin = 0;
      for (const part of parts) {
        for (let i = 0; i < part.d.length; i++)
          part.d[i]! += d[Math.floor(i / part.width) * width + begin + (i % part.width)]!;
        begin += part.width;
      }
    });
  },
  slice: ({ x, begin, width }, { tape, get }) => tape.columns(get(x), begin, width),
  multiply: ({ a, b }, { tape, get }) => tape.multiply(get(a), get(b)),
  add: ({ a, b }, { tape, get }) => tape.add(get(a), get(b)),
  affine: ({ x, factor, offset }, { tape, get }) =>
    tape.map(
      get(x),
      (v) => factor * v + offset,
      () => factor,
    ),
  map: ({ x, of }, { tape, get }) => tape.map(get(x), ...inFloat64(SCALAR_FUNCTIONS[of])),
  productLogit({ a, b }, { tape, get }) {
    const logs = [a, b].map((logit) =>
      tape.map(
        get(logit),
        (z) => -softplus(-z),
        (z) => sigmoid(-z),
      ),
    );
    return tape.map(
      tape.add(logs[0]!, logs[1]!),
      (l) => l - Math.log(-Math.expm1(l)),
      (l) => -1 / Math.expm1(l),
    );
  },
  crossEntropy: ({ logit, label, id }, { tape, get, stopped }) => {
    if (!stopped.has(id)) stopped.set(id, get(label).y);
    const y = tape.node(get(label).rows, get(label).width, stopped.get(id)!);
    return tape.zip(
      get(logit),
      y,
      (z, t) => t * softplus(-z) + (1 - t) * softplus(z),
      (z, t) => [sigmoid(z) - t, 0],
    );
  },
  reciprocal: ({ x }, { tape, get }) =>
    tape.map(
      get(x),
      (v) => 1 / v,
      (v) => -1 / (v * v),
    ),
  clip: ({ x, low, high }, { tape, get }) =>
    tape.map(
      get(x),
      (v) => Math.min(Math.max(v, low), high),
      (v) => Number(v >= low && v <= high),
    ),
  batchSum: ({ x, width }, { tape, rows, get }) =>
    tape.add(tape.sum(get(x), 'rows'), tape.node(rows, width, new Float64Array(rows * width))),
  groupLogSumExp: ({ x, groups }, { tape, rows, get }) => {
    const { y, d } = get(x);
    const members = membersOf(get(groups).y);
    const sums = members.map(
      (each) =>
        Math.max(...each.map((j) => y[j]!)) +
        Math.log(each.reduce((sum, j) => sum + Math.exp(y[j]! - Math.max(...each.map((k) => y[k]!))), 0)),
    );
    return tape.node(rows, 1, sums, (dy) =>
      members.forEach((each, i) => each.forEach((j) => (d[j]! += dy[i]! * Math.exp(y[j]! - sums[i]!)))),
    );
  },
  groupPairs: ({ x, label, groups }, { tape, rows, get }) => {
    const { y, d } = get(x);
    const labels = get(label).y;
    const others = membersOf(get(groups).y).map((each, i) =>
      labels[i] === 1 ? each.filter((j) => labels[j] !== 1) : [],
    );
    const means = others.map((each, i) => each.reduce((sum, j) => sum + softplus(y[j]! - y[i]!) / each.length, 0));
    return tape.node(rows, 1, means, (dy) =>
      others.forEach((each, i) =>
        each.forEach((j) => {
          const slope = (dy[i]! * sigmoid(y[j]! - y[i]!)) / each.length;
          d[j]! += slope;
          d[i]! -= slope;
        }),
      ),
    );
  },
  split: ({ x, width, isInterleaved }, { tape, get, rows }) =>
    rearranged(tape, get(x), { rows: (rows * x.width) / width, width }, isInterleaved),
  join: ({ x, width, isInterleaved }, { tape, get, rows }) => rearranged(tape, get(x), { rows, width }, isInterleaved),
  stopGradient: ({ x, id }, { tape, get, stopped }) => {
    if (!stopped.has(id)) stopped.set(id, get(x).y);
    return tape.node(get(x).rows, get(x).width, stopped.get(id)!);
  },
  mixture: ({ gate, experts }, { tape, get }) =>
    experts
      .map((expert, e) => tape.multiply(get(expert), tape.columns(get(gate), e, 1)))
      .reduce((a, b) => tape.add(a, b)),
  attend({ tokens, width, ...roles }, run) {
    const { tape, get, parameter } = run;
    const [query, key, value] = [roles.query, roles.key, roles.value].map((role) =>
      tokens.map((token) => tape.product(get(token), parameter(role))),
    ) as [Node[], Node[], Node[]];
    const scores = query.map((q, t) =>
      tape.map(
        tape.sum(tape.multiply(q, key[t]!), 'columns'),
        (v) => v / Math.sqrt(width),
        () => 1 / Math.sqrt(width),
      ),
    );
    // The softmax of two numbers is the sigmoid of their difference.
    const first = tape.zip(
      scores[0]!,
      scores[1]!,
      (a, b) => sigmoid(a - b),
      (a, b) => [sigmoidSlope(a - b), -sigmoidSlope(a - b)],
    );
    const second = tape.map(
      first,
      (v) => 1 - v,
      () => -1,
    );
    return tape.add(tape.multiply(value[0]!, first), tape.multiply(value[1]!, second));
  },
};

/** Loss of each row. */
const LOSS: { readonly [Name in LossName]: (value: ValueOf<Name>, run: Run) => Node } = {
  binaryCrossEntropy: ({ logit, label }, { tape, get }) =>
    tape.zip(
      get(logit),
      fixed(get(label), tape),
      (z, y) => y * softplus(-z) + (1 - y) * softplus(z),
      (z, y) => [sigmoid(z) - y, 0],
    ),
  mean: ({ x }, { get }) => get(x),
  squaredError: ({ prediction, label }, { tape, get }) =>
    tape.zip(
      get(prediction),
      fixed(get(label), tape),
      (p, y) => (p - y) ** 2,
      (p, y) => [2 * (p - y), 0],
    ),
};

/** The same values without a gradient. */
const fixed = ({ rows, width, y }: Node, tape: Tape): Node => tape.node(rows, width, y);

/**
 * Runs a training step of a plan in float64, from weights by tensor name; or predicts.
 * @param stopped constants from a pass with other weights, for nodes without a gradient
 */
export function float64Pass(
  { graph, layout, seed }: Plan,
  weights: ReadonlyMap<string, ArrayLike<number>>,
  given: Batch,
  step = 0,
  mode: Run['mode'] = 'train',
  stopped: Run['stopped'] = new Map(),
): Float64Pass {
  const tape = createTape();
  const batch = interpolateRows(layout)(given);
  const { rows } = batch;
  const itemsOf = (field: string): BagColumn => {
    const { offsets, ids, weights } = column(batch, field, 'list');
    return { type: 'list', offsets, ids: ids.subarray(0, offsets[rows]), weights: weights.subarray(0, offsets[rows]) };
  };
  /** w, w / Σ w or w / √Σ w², or 0 if the divisor is 0. */
  const factorsOf = ({
    field,
    pooling,
    parent,
  }: Pick<ItemField, 'field' | 'parent'> & { readonly pooling: Pooling }): Float64Array => {
    const { offsets, weights } = itemsOf(field);
    const factors = Float64Array.from(weights);
    const segments =
      parent === undefined
        ? Array.from({ length: rows }, (_, b) => [offsets[b]!, offsets[b + 1]!] as const)
        : valuesOf(parent, batch);
    for (const [begin, end] of segments) {
      const own = factors.subarray(begin, end);
      const sum = own.reduce((total, w) => total + (pooling === 'mean' ? w : w * w), 0);
      const divisor = { sum: 1, mean: sum, sqrtn: Math.sqrt(sum) }[pooling];
      for (const [i, w] of own.entries()) own[i] = divisor === 0 ? 0 : w / divisor;
    }
    return factors;
  };
  const parameters = new Map(
    graph.parameters.map(({ name, shape }) => [
      name,
      tape.node(shape.length === 2 ? shape[0]! : 1, shape.at(-1)!, weights.get(name)!),
    ]),
  );
  const tables = new Map(
    layout.tables.map(({ name, rows: size, width }) => [name, tape.node(size, width, weights.get(tableTensor(name))!)]),
  );
  const nodes = new Map<Value, Node>();
  const run: Run = {
    tape,
    rows,
    batch,
    mode,
    stopped,
    get: (value) => nodes.get(value)!,
    parameter: ({ name }) => parameters.get(name)!,
    input({ source, width }) {
      if (source.kind === 'label')
        return tape.node(rows, 1, mapsOf(batch).labels.get(source.column)?.subarray(0, rows) ?? new Float32Array(rows));
      if (source.kind === 'factors') return tape.node(itemsOf(source.field).ids.length, 1, factorsOf(source));
      if (source.kind === 'items') {
        const moves = [...itemsOf(source.field).ids].map((from, to) => ({ from, to, factor: 1 }));
        return moved(tape, tables.get(source.table)!, moves.length, moves);
      }
      const y = new Float64Array(rows * width);
      const looked: { readonly table: Node; readonly row: number; readonly to: number }[] = [];
      for (const columns of layout.columns) {
        const offset = columns.offset - source.begin;
        for (let b = 0; b < (offset >= 0 && offset < width ? rows : 0); b++) {
          const to = b * width + offset;
          if (columns.kind === 'number') y[to] = column(batch, columns.field, 'f32').data[b]!;
          else if (columns.kind === 'vector')
            y.set(column(batch, columns.field, 'f32').data.subarray(b * columns.width, (b + 1) * columns.width), to);
          else
            looked.push({ table: tables.get(columns.table)!, row: column(batch, columns.field, 'u32').data[b]!, to });
        }
      }
      for (const { table, row, to } of looked)
        for (let c = 0; c < table.width; c++) y[to + c]! += table.y[row * table.width + c]!;
      return tape.node(rows, width, y, (d) => {
        for (const { table, row, to } of looked)
          for (let c = 0; c < table.width; c++) table.d[row * table.width + c]! += d[to + c]!;
      });
    },
    mask(name, rate, length) {
      const mask = new Float32Array(length);
      dropoutMask(mask, rate, streamKey(seed, 'dropout', name, step));
      return mask;
    },
  };

  for (const value of graph.values) {
    // The table's entry for `value.op` accepts that operation's value.
    if (!isLoss(value))
      nodes.set(value, (OPERATION[value.op as keyof typeof OPERATION] as (value: Value, run: Run) => Node)(value, run));
  }
  const losses = new Map(
    graph.terms.map(({ name, loss, weight }) => {
      const ones = tape.node(1, 1, [1]);
      const [mask, factors] = [loss.mask, loss.weights].map((value) =>
        value === undefined ? ones : fixed(run.get(value), tape),
      ) as [Node, Node];
      const each = tape.multiply(
        tape.multiply((LOSS[loss.op] as (value: Value, run: Run) => Node)(loss, run), mask),
        factors,
      );
      const count = loss.mask === undefined ? rows : mask.y.reduce((sum, one) => sum + one, 0);
      const total = tape.sum(tape.sum(each, 'columns'), 'rows');
      total.d[0] = weight / Math.max(count, 1);
      return [name, total.y[0]! / Math.max(count, 1)] as const;
    }),
  );
  tape.back();
  const gradients = [
    ...graph.parameters
      .filter(({ isTrainable }) => isTrainable)
      .map(({ name }) => [name, parameters.get(name)!.d] as const),
    ...[...tables].map(([name, { d }]) => [tableTensor(name), d] as const),
  ];
  return {
    losses,
    predictions: new Map([...graph.predictions].map(([name, value]) => [name, run.get(value).y])),
    gradients: new Map(gradients),
  };
}
