import type { Activation, LossName, OperationName, Parameter, RunningStatistics, ValueOf } from '../../graph/operations.js';
import type { Arena } from './arena.js';
import type { Lowering } from './lowering.js';
import { ROWS, type CallList } from './call-list.js';
import { toFours, type Matrix, type Place, type Places } from './places.js';

/** How an operation runs forwards and backwards; backwards it adds to its operands' gradients. */
interface Lowered<Name extends OperationName> {
  /** Whether a value of the operation takes its columns whole, in training: for sums over the batch. */
  isByColumns?(value: ValueOf<Name>): boolean;
  forward(value: ValueOf<Name>, lowering: Lowering): void;
  backward(value: ValueOf<Name>, lowering: Lowering): void;
}
type LoweringTable = { readonly [Name in Exclude<OperationName, LossName>]: Lowered<Name> };

/** The order of the constants in elementwise.ts. */
const CODES: Partial<Record<Activation, number>> = { relu: 0, sigmoid: 1, tanh: 2, 'leaky-relu': 3, gelu: 4 };

/** out (+)= x · matrix + bias */
function multiplyMatrix(list: CallList, x: Place, matrix: Matrix, bias: number, out: Place, accumulate = 0): void {
  list.emit('gemm', x.at, x.ld, matrix.at, bias, out.at, out.ld, ROWS, matrix.inputs, matrix.panels, accumulate);
}

/** Gradients of a product: of the matrix, and (unless x is outside the graph) of x. */
function multiplyMatrixGradient({ list, gradientAt }: Lowering, x: Place, matrix: Matrix, out: Place, accumulateX: number, accumulateMatrix = 0): void {
  const outputs = matrix.panels * 8;
  list.awaitStart();
  list.emit('gemm', out.gradient, out.ld, matrix.transposed, 0, x.gradient, x.ld, ROWS, outputs, Math.ceil(matrix.inputs / 8), accumulateX);
  list.emit('gemmGradient', x.at, x.ld, out.gradient, out.ld, gradientAt(matrix.at), ROWS, matrix.inputs, matrix.panels, accumulateMatrix);
}

/** Every operation that is not a loss, forwards and backwards. */
export const LOWERED: LoweringTable = {
  input: { forward: () => undefined, backward: () => undefined },

  // A group of linear layers runs where the first member stands that is computed.
  linear: {
    forward(value, { places, list, computed }) {
      const { members, x, matrix, bias, out } = places.groupOf(value);
      if (members.find((member) => computed.has(member)) === value) multiplyMatrix(list, places.of(x), matrix, bias, out);
    },
    backward(value, lowering) {
      const { places, list, gradientAt, accumulate, cancelled } = lowering;
      const { members, x, matrix, out } = places.groupOf(value);
      if (members[0] !== value) return;
      for (const member of members) {
        if (member.bias === undefined || cancelled.has(member.bias)) continue;
        const place = places.of(member);
        list.emit('columnSums', place.gradient, place.ld, gradientAt(places.vector(member.bias)), ROWS, place.columns, 0);
      }
      multiplyMatrixGradient(lowering, places.of(x), matrix, out, accumulate(x));
    },
  },

  batchNorm: {
    isByColumns: () => true,
    forward({ x, gain, shift, running, ...value }, lowering) {
      const out = lowering.places.of(value as ValueOf<'batchNorm'>);
      normalise(lowering, lowering.places.of(x), out, lowering.places.vector(gain), lowering.places.vector(shift), running);
    },
    backward(value, lowering) {
      const { places, gradientAt, accumulate } = lowering;
      const gain = places.vector(value.gain);
      normaliseGradient(lowering, places.of(value.x), places.of(value), gain, value.running.mean, gradientAt(gain), gradientAt(places.vector(value.shift)), accumulate(value.x));
    },
  },

  activation: {
    isByColumns: ({ running }) => running !== undefined,
    forward(value, lowering) {
      const { places, list } = lowering;
      const [x, y] = [places.of(value.x), places.of(value)];
      const code = CODES[value.kind];
      if (code !== undefined) list.emit('activate', code, x.at, x.ld, y.at, y.ld, ROWS, x.columns);
      else if (value.running === undefined) list.emit('prelu', x.at, x.ld, places.vector(value.slope!), y.at, y.ld, ROWS, x.columns);
      else {
        const z = places.columns(`normalised ${value.id}`, value.width);
        const { ones, zeros } = constants(lowering, value.width);
        normalise(lowering, x, z, ones, zeros, value.running);
        list.emit('dice', x.at, x.ld, z.at, z.ld, places.vector(value.slope!), y.at, y.ld, ROWS, x.columns);
      }
    },
    backward(value, lowering) {
      const { places, arena, list, gradientAt, accumulate } = lowering;
      const [x, y] = [places.of(value.x), places.of(value)];
      const code = CODES[value.kind];
      const isAdded = accumulate(value.x);
      if (code !== undefined) {
        list.emit('activateGradient', code, x.at, x.ld, y.at, y.ld, y.gradient, x.gradient, ROWS, x.columns, isAdded);
        return;
      }
      const slope = places.vector(value.slope!);
      if (value.running === undefined) {
        list.emit('preluGradient', x.at, x.ld, slope, y.gradient, y.ld, x.gradient, ROWS, x.columns, isAdded);
        list.emit('preluSlope', x.at, x.ld, y.gradient, y.ld, gradientAt(slope), ROWS, x.width);
        return;
      }
      const z = places.columns(`normalised ${value.id}`, value.width);
      list.emit('diceGradient', x.at, x.ld, z.at, z.ld, slope, y.gradient, y.ld, x.gradient, z.gradient, ROWS, x.columns, isAdded);
      list.emit('diceSlopes', x.at, x.ld, z.at, z.ld, y.gradient, y.ld, gradientAt(slope), ROWS, x.width);
      // Its gain and shift are constants: their gradients go where nothing reads them.
      const unread = arena.take(`unread ${value.width}`, 2 * toFours(value.width));
      const { ones } = constants(lowering, value.width);
      normaliseGradient(lowering, x, z, ones, value.running.mean, unread, unread + toFours(value.width) * 4, 1);
    },
  },

  dropout: {
    forward(value, { mode, places, list, dropoutKey }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      if (mode === 'predict') list.emit('copyColumns', x.at, x.ld, y.at, y.ld, ROWS, value.width, 0);
      else list.emit('dropout', x.at, x.ld, y.at, y.ld, ROWS, value.width, dropoutKey(value.id), value.rate * 2 ** 32, 1 / (1 - value.rate), 0);
    },
    backward(value, { places, list, accumulate, dropoutKey }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('dropout', y.gradient, y.ld, x.gradient, x.ld, ROWS, value.width, dropoutKey(value.id), value.rate * 2 ** 32, 1 / (1 - value.rate), accumulate(value.x));
    },
  },

  softmax: {
    forward(value, { places, list }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('softmax', x.at, x.ld, y.at, y.ld, ROWS, value.width, y.columns);
    },
    backward(value, { places, list, accumulate }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('softmaxGradient', y.at, y.ld, y.gradient, x.gradient, x.ld, ROWS, value.width, accumulate(value.x));
    },
  },

  concat: {
    forward(value, { places, list }) {
      const y = places.of(value);
      let column = 0;
      for (const part of value.xs) {
        const x = places.of(part);
        list.emit('copyColumns', x.at, x.ld, y.at + column * 4, y.ld, ROWS, part.width, 0);
        column += part.width;
      }
    },
    backward(value, { places, list, accumulate }) {
      const y = places.of(value);
      let column = 0;
      for (const part of value.xs) {
        const x = places.of(part);
        list.emit('copyColumns', y.gradient + column * 4, y.ld, x.gradient, x.ld, ROWS, part.width, accumulate(part));
        column += part.width;
      }
    },
  },

  slice: {
    forward(value, { places, list }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('copyColumns', x.at + value.begin * 4, x.ld, y.at, y.ld, ROWS, value.width, 0);
    },
    backward(value, { places, list, accumulate }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      if (accumulate(value.x) === 0) list.emit('clear', x.gradient, x.ld, ROWS, x.columns);
      list.emit('copyColumns', y.gradient, y.ld, x.gradient + value.begin * 4, x.ld, ROWS, value.width, 1);
    },
  },

  multiply: {
    forward(value, { places, list }) {
      const [a, b, y] = [places.of(value.a), places.of(value.b), places.of(value)];
      list.emit('multiply', a.at, a.ld, b.at, b.ld, y.at, y.ld, ROWS, y.columns, 0);
    },
    backward(value, { places, list, accumulate }) {
      const [a, b, y] = [places.of(value.a), places.of(value.b), places.of(value)];
      list.emit('multiply', y.gradient, y.ld, b.at, b.ld, a.gradient, a.ld, ROWS, y.columns, accumulate(value.a));
      list.emit('multiply', y.gradient, y.ld, a.at, a.ld, b.gradient, b.ld, ROWS, y.columns, accumulate(value.b));
    },
  },

  add: {
    forward(value, { places, list }) {
      const y = places.of(value);
      [value.a, value.b].forEach((operand, i) => {
        const x = places.of(operand);
        list.emit('copyColumns', x.at, x.ld, y.at, y.ld, ROWS, value.width, i);
      });
    },
    backward(value, { places, list, accumulate }) {
      const y = places.of(value);
      for (const operand of [value.a, value.b]) {
        const x = places.of(operand);
        list.emit('copyColumns', y.gradient, y.ld, x.gradient, x.ld, ROWS, value.width, accumulate(operand));
      }
    },
  },

  mixture: {
    forward(value, { places, list }) {
      const [gate, y] = [places.of(value.gate), places.of(value)];
      value.experts.forEach((expert, e) => {
        const x = places.of(expert);
        list.emit('scaleRows', gate.at + e * 4, gate.ld, x.at, x.ld, y.at, y.ld, ROWS, y.columns, 1, Math.min(e, 1));
      });
    },
    backward(value, { places, list, accumulate }) {
      const [gate, y] = [places.of(value.gate), places.of(value)];
      const isAdded = accumulate(value.gate);
      value.experts.forEach((expert, e) => {
        const x = places.of(expert);
        list.emit('dotRows', y.gradient, y.ld, x.at, x.ld, gate.gradient + e * 4, gate.ld, ROWS, y.columns, 1, isAdded);
        list.emit('scaleRows', gate.at + e * 4, gate.ld, y.gradient, y.ld, x.gradient, x.ld, ROWS, y.columns, 1, accumulate(expert));
      });
    },
  },

  attend: {
    forward(value, lowering) {
      const { places, list } = lowering;
      const { tokens, scores, shares } = attention(value, places);
      for (const { x, q, k, v } of tokens) {
        for (const [parameter, out] of [[value.query, q], [value.key, k], [value.value, v]] as const) multiplyMatrix(list, x, places.matrix(parameter), 0, out);
      }
      const y = places.of(value);
      tokens.forEach(({ q, k }, t) => list.emit('dotRows', q.at, q.ld, k.at, k.ld, scores.at + t * 4, scores.ld, ROWS, y.columns, 1 / Math.sqrt(value.width), 0));
      list.emit('softmax', scores.at, scores.ld, shares.at, shares.ld, ROWS, 2, shares.columns);
      tokens.forEach(({ v }, t) => list.emit('scaleRows', shares.at + t * 4, shares.ld, v.at, v.ld, y.at, y.ld, ROWS, y.columns, 1, t));
    },
    backward(value, lowering) {
      const { places, list, accumulate } = lowering;
      const { tokens, scores, shares } = attention(value, places);
      const y = places.of(value);
      tokens.forEach(({ v }, t) => {
        list.emit('dotRows', y.gradient, y.ld, v.at, v.ld, shares.gradient + t * 4, shares.ld, ROWS, y.columns, 1, 0);
        list.emit('scaleRows', shares.at + t * 4, shares.ld, y.gradient, y.ld, v.gradient, v.ld, ROWS, y.columns, 1, 0);
      });
      list.emit('softmaxGradient', shares.at, shares.ld, shares.gradient, scores.gradient, scores.ld, ROWS, 2, 0);
      const scale = 1 / Math.sqrt(value.width);
      tokens.forEach(({ x, q, k, v }, t) => {
        list.emit('scaleRows', scores.gradient + t * 4, scores.ld, k.at, k.ld, q.gradient, q.ld, ROWS, y.columns, scale, 0);
        list.emit('scaleRows', scores.gradient + t * 4, scores.ld, q.at, q.ld, k.gradient, k.ld, ROWS, y.columns, scale, 0);
        for (const [parameter, out] of [[value.query, q], [value.key, k], [value.value, v]] as const) {
          multiplyMatrixGradient(lowering, x, places.matrix(parameter), out, accumulate(value.tokens[t]!), Math.min(t, 1));
        }
      });
    },
  },
};

/** y = (x - mean) / √(variance + ε) · gain + shift */
function normalise({ mode, arena, places, list }: Lowering, x: Place, y: Place, gain: number, shift: number, running: RunningStatistics): void {
  const at = places.vector(running.mean);
  if (mode === 'predict') {
    list.emit('normaliseRunning', x.at, x.ld, y.at, y.ld, gain, shift, at, ROWS, x.columns, running.epsilon);
    return;
  }
  const statistics = statisticsAt(arena, running.mean, x);
  const momentum = mode === 'train' ? running.momentum : 0;
  list.emit('normalise', x.at, x.ld, y.at, y.ld, gain, shift, at, statistics, ROWS, x.columns, running.epsilon, momentum, x.columns);
}

function normaliseGradient({ arena, list }: Lowering, x: Place, y: Place, gain: number, mean: Parameter, dgain: number, dshift: number, accumulate: number): void {
  const statistics = statisticsAt(arena, mean, x);
  list.emit('normaliseGradient', x.at, x.ld, y.gradient, y.ld, gain, statistics, x.gradient, dgain, dshift, ROWS, x.columns, accumulate, x.columns);
}

/** A batch's mean and 1/√(variance + ε), and room for two sums in double precision. */
function statisticsAt(arena: Arena, mean: Parameter, x: Place): number {
  return arena.take(`statistics ${mean.name}`, 6 * x.columns);
}

/** Gains of 1 and shifts of 0 that nothing trains. */
function constants({ arena }: Lowering, width: number): { readonly ones: number; readonly zeros: number } {
  return { ones: arena.take(`ones ${width}`, toFours(width)), zeros: arena.take(`zeros ${width}`, toFours(width)) };
}

/** Places of an attention's parts. */
function attention({ id, tokens, width }: ValueOf<'attend'>, places: Places) {
  const part = (name: string, columns: number, room?: number): Place => places.columns(`${id} ${name}`, columns, room);
  const room = Math.ceil(width / 8) * 8;
  return {
    scores: part('scores', 2),
    shares: part('shares', 2),
    tokens: tokens.map((token, t) => ({
      x: places.of(token),
      q: part(`query ${t}`, width, room),
      k: part(`key ${t}`, width, room),
      v: part(`value ${t}`, width, room),
    })),
  };
}
