import type { Activation, LossName, OperationName, ValueOf } from '../../graph/operations.js';
import { GROUPS } from './groups.js';
import type { Lowered, Lowering } from './lowering.js';
import { MAPS } from './maps.js';
import { ROWS } from './call-list.js';
import { normalise, normaliseGradient } from './normalise.js';
import { toFours, type Matrix, type Place, type Places } from './places.js';

type LoweringTable = { readonly [Name in Exclude<OperationName, LossName>]: Lowered<Name> };

/** The order of the constants in elementwise.ts. */
const CODES: Partial<Record<Activation, number>> = { relu: 0, sigmoid: 1, tanh: 2, 'leaky-relu': 3, gelu: 4, swish: 5 };

/** out (+)= x · matrix + bias */
function multiplyMatrix({ list, products }: Lowering, x: Place, matrix: Matrix, bias: number, out: Place, accumulate = 0): void {
  list.emit(products.product, { a: x.at, lda: x.ld, panelsAt: matrix.at, bias, c: out.at, ldc: out.ld, rows: ROWS, k: matrix.inputs, panels: matrix.panels, accumulate });
}

/** Gradients of a product: of the matrix, and (unless x is outside the graph) of x. */
function multiplyMatrixGradient({ list, products, gradientAt, early }: Lowering, x: Place, matrix: Matrix, out: Place, accumulateX: number, accumulateMatrix = 0): void {
  const outputs = matrix.panels * 8;
  const g = gradientAt(matrix.at);
  list.awaitStart();
  list.emit(products.gradient, { x: x.at, ldx: x.ld, d: out.gradient, ldd: out.ld, g, rows: ROWS, k: matrix.inputs, panels: matrix.panels, accumulate: accumulateMatrix });
  if (matrix.at === early) list.beginSum({ at: g, count: matrix.inputs * outputs });
  list.emit(products.product, { a: out.gradient, lda: out.ld, panelsAt: matrix.transposed, bias: 0, c: x.gradient, ldc: x.ld, rows: ROWS, k: outputs, panels: Math.ceil(matrix.inputs / 8), accumulate: accumulateX });
}

/** Every operation that is not a loss, forwards and backwards. */
export const LOWERED: LoweringTable = {
  ...MAPS,
  ...GROUPS,

  input: { forward: () => undefined, backward: () => undefined },

  // A group of linear layers runs where the first member stands that is computed.
  linear: {
    forward(value, lowering) {
      const { places, computed } = lowering;
      const { members, x, matrix, bias, out } = places.groupOf(value);
      if (members.find((member) => computed.has(member)) === value) multiplyMatrix(lowering, places.of(x), matrix, bias, out);
    },
    backward(value, lowering) {
      const { places, list, gradientAt, accumulate, cancelled } = lowering;
      const { members, x, matrix, out } = places.groupOf(value);
      if (members[0] !== value) return;
      for (const member of members) {
        if (member.bias === undefined || cancelled.has(member.bias)) continue;
        const place = places.of(member);
        list.emit('columnSums', { d: place.gradient, ldd: place.ld, g: gradientAt(places.vector(member.bias)), rows: ROWS, columns: place.columns, accumulate: 0 });
      }
      multiplyMatrixGradient(lowering, places.of(x), matrix, out, accumulate(x));
    },
  },

  batchNorm: {
    isByColumns: (_, mode) => mode !== 'predict',
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
    isByColumns: ({ running }, mode) => running !== undefined && mode !== 'predict',
    forward(value, lowering) {
      const { places, list } = lowering;
      const [x, y] = [places.of(value.x), places.of(value)];
      const code = CODES[value.kind];
      if (code !== undefined) list.emit('activate', { kind: code, x: x.at, ldx: x.ld, y: y.at, ldy: y.ld, rows: ROWS, columns: x.columns });
      else if (value.running === undefined) list.emit('prelu', { x: x.at, ldx: x.ld, slope: places.vector(value.slope!), y: y.at, ldy: y.ld, rows: ROWS, columns: x.columns });
      else {
        const z = places.columns(`normalised ${value.id}`, value.width);
        const { ones, zeros } = constants(lowering, value.width);
        normalise(lowering, x, z, ones, zeros, value.running, () => list.emit('dice', { x: x.at, ldx: x.ld, z: z.at, ldz: z.ld, slope: places.vector(value.slope!), y: y.at, ldy: y.ld, rows: ROWS, columns: x.columns }));
      }
    },
    backward(value, lowering) {
      const { places, arena, list, gradientAt, accumulate } = lowering;
      const [x, y] = [places.of(value.x), places.of(value)];
      const code = CODES[value.kind];
      const isAdded = accumulate(value.x);
      if (code !== undefined) {
        list.emit('activateGradient', { kind: code, x: x.at, ldx: x.ld, y: y.at, ldy: y.ld, dy: y.gradient, dx: x.gradient, rows: ROWS, columns: x.columns, accumulate: isAdded });
        return;
      }
      const slope = places.vector(value.slope!);
      if (value.running === undefined) {
        list.emit('preluGradient', { x: x.at, ldx: x.ld, slope, dy: y.gradient, ldy: y.ld, dx: x.gradient, rows: ROWS, columns: x.columns, accumulate: isAdded });
        list.emit('preluSlope', { x: x.at, ldx: x.ld, dy: y.gradient, ldy: y.ld, g: gradientAt(slope), rows: ROWS, width: x.width });
        return;
      }
      const z = places.columns(`normalised ${value.id}`, value.width);
      list.emit('diceGradient', { x: x.at, ldx: x.ld, z: z.at, ldz: z.ld, slope, dy: y.gradient, ldy: y.ld, dx: x.gradient, dz: z.gradient, rows: ROWS, columns: x.columns, accumulate: isAdded });
      list.emit('diceSlopes', { x: x.at, ldx: x.ld, z: z.at, ldz: z.ld, dy: y.gradient, ldy: y.ld, g: gradientAt(slope), rows: ROWS, width: x.width });
      // Its gain and shift are constants: their gradients go where nothing reads them.
      const unread = arena.take(`unread ${value.width}`, 2 * toFours(value.width));
      const { ones } = constants(lowering, value.width);
      normaliseGradient(lowering, x, z, ones, value.running.mean, unread, unread + toFours(value.width) * 4, 1);
    },
  },

  dropout: {
    forward(value, { mode, places, list, dropoutKey }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      if (mode === 'predict') list.emit('copyColumns', { x: x.at, ldx: x.ld, y: y.at, ldy: y.ld, rows: ROWS, width: value.width, accumulate: 0 });
      else list.emit('dropout', { x: x.at, ldx: x.ld, y: y.at, ldy: y.ld, rows: ROWS, width: value.width, key: dropoutKey(value.name), threshold: value.rate * 2 ** 32, keep: 1 / (1 - value.rate), accumulate: 0 });
    },
    backward(value, { places, list, accumulate, dropoutKey }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('dropout', { x: y.gradient, ldx: y.ld, y: x.gradient, ldy: x.ld, rows: ROWS, width: value.width, key: dropoutKey(value.name), threshold: value.rate * 2 ** 32, keep: 1 / (1 - value.rate), accumulate: accumulate(value.x) });
    },
  },

  softmax: {
    forward(value, { places, list }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('softmax', { x: x.at, ldx: x.ld, y: y.at, ldy: y.ld, rows: ROWS, width: value.width, columns: y.columns });
    },
    backward(value, { places, list, accumulate }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('softmaxGradient', { y: y.at, ldy: y.ld, dy: y.gradient, dx: x.gradient, ldx: x.ld, rows: ROWS, width: value.width, accumulate: accumulate(value.x) });
    },
  },

  concat: {
    forward(value, { places, list }) {
      const y = places.of(value);
      let column = 0;
      for (const part of value.xs) {
        const x = places.of(part);
        list.emit('copyColumns', { x: x.at, ldx: x.ld, y: y.at + column * 4, ldy: y.ld, rows: ROWS, width: part.width, accumulate: 0 });
        column += part.width;
      }
    },
    backward(value, { places, list, accumulate }) {
      const y = places.of(value);
      let column = 0;
      for (const part of value.xs) {
        const x = places.of(part);
        list.emit('copyColumns', { x: y.gradient + column * 4, ldx: y.ld, y: x.gradient, ldy: x.ld, rows: ROWS, width: part.width, accumulate: accumulate(part) });
        column += part.width;
      }
    },
  },

  slice: {
    forward(value, { places, list }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('copyColumns', { x: x.at + value.begin * 4, ldx: x.ld, y: y.at, ldy: y.ld, rows: ROWS, width: value.width, accumulate: 0 });
    },
    backward(value, { places, list, accumulate }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      if (accumulate(value.x) === 0) list.emit('clear', { y: x.gradient, ldy: x.ld, rows: ROWS, columns: x.columns });
      list.emit('copyColumns', { x: y.gradient, ldx: y.ld, y: x.gradient + value.begin * 4, ldy: x.ld, rows: ROWS, width: value.width, accumulate: 1 });
    },
  },

  multiply: {
    forward(value, { places, list }) {
      const [a, b, y] = [places.of(value.a), places.of(value.b), places.of(value)];
      list.emit('multiply', { a: a.at, lda: a.ld, b: b.at, ldb: b.ld, y: y.at, ldy: y.ld, rows: ROWS, columns: y.columns, accumulate: 0 });
    },
    backward(value, { places, list, accumulate }) {
      const [a, b, y] = [places.of(value.a), places.of(value.b), places.of(value)];
      list.emit('multiply', { a: y.gradient, lda: y.ld, b: b.at, ldb: b.ld, y: a.gradient, ldy: a.ld, rows: ROWS, columns: y.columns, accumulate: accumulate(value.a) });
      list.emit('multiply', { a: y.gradient, lda: y.ld, b: a.at, ldb: a.ld, y: b.gradient, ldy: b.ld, rows: ROWS, columns: y.columns, accumulate: accumulate(value.b) });
    },
  },

  add: {
    forward(value, { places, list }) {
      const y = places.of(value);
      [value.a, value.b].forEach((operand, i) => {
        const x = places.of(operand);
        list.emit('copyColumns', { x: x.at, ldx: x.ld, y: y.at, ldy: y.ld, rows: ROWS, width: value.width, accumulate: i });
      });
    },
    backward(value, { places, list, accumulate }) {
      const y = places.of(value);
      for (const operand of [value.a, value.b]) {
        const x = places.of(operand);
        list.emit('copyColumns', { x: y.gradient, ldx: y.ld, y: x.gradient, ldy: x.ld, rows: ROWS, width: value.width, accumulate: accumulate(operand) });
      }
    },
  },

  mixture: {
    forward(value, { places, list }) {
      const [gate, y] = [places.of(value.gate), places.of(value)];
      value.experts.forEach((expert, e) => {
        const x = places.of(expert);
        list.emit('scaleRows', { g: gate.at + e * 4, ldg: gate.ld, x: x.at, ldx: x.ld, y: y.at, ldy: y.ld, rows: ROWS, columns: y.columns, scale: 1, accumulate: Math.min(e, 1) });
      });
    },
    backward(value, { places, list, accumulate }) {
      const [gate, y] = [places.of(value.gate), places.of(value)];
      const isAdded = accumulate(value.gate);
      value.experts.forEach((expert, e) => {
        const x = places.of(expert);
        list.emit('dotRows', { x: y.gradient, ldx: y.ld, y: x.at, ldy: x.ld, o: gate.gradient + e * 4, ldo: gate.ld, rows: ROWS, columns: y.columns, scale: 1, accumulate: isAdded });
        list.emit('scaleRows', { g: gate.at + e * 4, ldg: gate.ld, x: y.gradient, ldx: y.ld, y: x.gradient, ldy: x.ld, rows: ROWS, columns: y.columns, scale: 1, accumulate: accumulate(expert) });
      });
    },
  },

  attend: {
    forward(value, lowering) {
      const { places, list } = lowering;
      const { tokens, scores, shares } = attention(value, places);
      for (const { x, q, k, v } of tokens) {
        for (const [parameter, out] of [[value.query, q], [value.key, k], [value.value, v]] as const) multiplyMatrix(lowering, x, places.matrix(parameter), 0, out);
      }
      const y = places.of(value);
      tokens.forEach(({ q, k }, t) => list.emit('dotRows', { x: q.at, ldx: q.ld, y: k.at, ldy: k.ld, o: scores.at + t * 4, ldo: scores.ld, rows: ROWS, columns: y.columns, scale: 1 / Math.sqrt(value.width), accumulate: 0 }));
      list.emit('softmax', { x: scores.at, ldx: scores.ld, y: shares.at, ldy: shares.ld, rows: ROWS, width: 2, columns: shares.columns });
      tokens.forEach(({ v }, t) => list.emit('scaleRows', { g: shares.at + t * 4, ldg: shares.ld, x: v.at, ldx: v.ld, y: y.at, ldy: y.ld, rows: ROWS, columns: y.columns, scale: 1, accumulate: t }));
    },
    backward(value, lowering) {
      const { places, list, accumulate } = lowering;
      const { tokens, scores, shares } = attention(value, places);
      const y = places.of(value);
      tokens.forEach(({ v }, t) => {
        list.emit('dotRows', { x: y.gradient, ldx: y.ld, y: v.at, ldy: v.ld, o: shares.gradient + t * 4, ldo: shares.ld, rows: ROWS, columns: y.columns, scale: 1, accumulate: 0 });
        list.emit('scaleRows', { g: shares.at + t * 4, ldg: shares.ld, x: y.gradient, ldx: y.ld, y: v.gradient, ldy: v.ld, rows: ROWS, columns: y.columns, scale: 1, accumulate: 0 });
      });
      list.emit('softmaxGradient', { y: shares.at, ldy: shares.ld, dy: shares.gradient, dx: scores.gradient, ldx: scores.ld, rows: ROWS, width: 2, accumulate: 0 });
      const scale = 1 / Math.sqrt(value.width);
      tokens.forEach(({ x, q, k, v }, t) => {
        list.emit('scaleRows', { g: scores.gradient + t * 4, ldg: scores.ld, x: k.at, ldx: k.ld, y: q.gradient, ldy: q.ld, rows: ROWS, columns: y.columns, scale, accumulate: 0 });
        list.emit('scaleRows', { g: scores.gradient + t * 4, ldg: scores.ld, x: q.at, ldx: q.ld, y: k.gradient, ldy: k.ld, rows: ROWS, columns: y.columns, scale, accumulate: 0 });
        for (const [parameter, out] of [[value.query, q], [value.key, k], [value.value, v]] as const) {
          multiplyMatrixGradient(lowering, x, places.matrix(parameter), out, accumulate(value.tokens[t]!), Math.min(t, 1));
        }
      });
    },
  },
};

/** Gains of 1 and shifts of 0 that nothing trains. */
function constants({ arena }: Lowering, width: number): { readonly ones: number; readonly zeros: number } {
  return { ones: arena.take(`ones ${width}`, toFours(width)), zeros: arena.take(`zeros ${width}`, toFours(width)) };
}

/** Places of an attention's parts. */
function attention({ id, tokens, width }: ValueOf<'attend'>, places: Places) {
  const part = (name: string, columns: number): Place => places.columns(`${id} ${name}`, columns);
  return {
    scores: part('scores', 2),
    shares: part('shares', 2),
    tokens: tokens.map((token, t) => ({
      x: places.of(token),
      q: part(`query ${t}`, width),
      k: part(`key ${t}`, width),
      v: part(`value ${t}`, width),
    })),
  };
}
