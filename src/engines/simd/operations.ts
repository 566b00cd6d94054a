import type { LossName, OperationName, ValueOf } from '../../graph/operations.js';
import { ACTIVATION } from './activation.js';
import { ATTEND } from './attend.js';
import { GROUPS } from './groups.js';
import type { Lowered } from './lowering.js';
import { MAPS } from './maps.js';
import { multiplyMatrix, multiplyMatrixGradient } from './matrix-products.js';
import { ROWS } from './call-list.js';
import { normalize, normalizeGradient } from './normalize.js';

type LoweringTable = { readonly [Name in Exclude<OperationName, LossName>]: Lowered<Name> };

/** Every operation that is not a loss, forward and backward. */
export const LOWERED: LoweringTable = {
  ...MAPS,
  ...GROUPS,
  activation: ACTIVATION,
  attend: ATTEND,

  input: { forward: () => undefined, backward: () => undefined },

  // A group of linear layers runs where the first member stands that is computed.
  linear: {
    forward(value, lowering) {
      const { places, computed } = lowering;
      const { members, x, matrix, bias, out } = places.groupOf(value);
      if (members.find((member) => computed.has(member)) === value)
        multiplyMatrix(lowering, places.of(x), matrix, bias, out);
    },
    backward(value, lowering) {
      const { places, list, gradientAt, accumulate, canceled } = lowering;
      const { members, x, matrix, out } = places.groupOf(value);
      if (members[0] !== value) return;
      for (const member of members) {
        if (member.bias === undefined || canceled.has(member.bias)) continue;
        const place = places.of(member);
        list.emit('columnSums', {
          d: place.gradient,
          ldd: place.ld,
          g: gradientAt(places.vector(member.bias)),
          rows: ROWS,
          columns: place.columns,
          accumulate: 0,
        });
      }
      multiplyMatrixGradient(lowering, places.of(x), matrix, out, accumulate(x));
    },
  },

  batchNorm: {
    isByColumns: (_, mode) => mode !== 'predict',
    forward({ x, gain, shift, running, ...value }, lowering) {
      const out = lowering.places.of(value as ValueOf<'batchNorm'>);
      normalize(
        lowering,
        lowering.places.of(x),
        out,
        lowering.places.vector(gain),
        lowering.places.vector(shift),
        running,
      );
    },
    backward(value, lowering) {
      const { places, gradientAt, accumulate } = lowering;
      const gain = places.vector(value.gain);
      normalizeGradient(
        lowering,
        places.of(value.x),
        places.of(value),
        gain,
        value.running.mean,
        gradientAt(gain),
        gradientAt(places.vector(value.shift)),
        accumulate(value.x),
      );
    },
  },

  dropout: {
    forward(value, { mode, places, list, dropoutKey }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      if (mode === 'predict')
        list.emit('copyColumns', {
          x: x.at,
          ldx: x.ld,
          y: y.at,
          ldy: y.ld,
          rows: ROWS,
          width: value.width,
          accumulate: 0,
        });
      else
        list.emit('dropout', {
          x: x.at,
          ldx: x.ld,
          y: y.at,
          ldy: y.ld,
          rows: ROWS,
          width: value.width,
          key: dropoutKey(value.name),
          threshold: value.rate * 2 ** 32,
          keep: 1 / (1 - value.rate),
          accumulate: 0,
        });
    },
    backward(value, { places, list, accumulate, dropoutKey }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('dropout', {
        x: y.gradient,
        ldx: y.ld,
        y: x.gradient,
        ldy: x.ld,
        rows: ROWS,
        width: value.width,
        key: dropoutKey(value.name),
        threshold: value.rate * 2 ** 32,
        keep: 1 / (1 - value.rate),
        accumulate: accumulate(value.x),
      });
    },
  },

  softmax: {
    forward(value, { places, list }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('softmax', {
        x: x.at,
        ldx: x.ld,
        y: y.at,
        ldy: y.ld,
        rows: ROWS,
        width: value.width,
        columns: y.columns,
      });
    },
    backward(value, { places, list, accumulate }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('softmaxGradient', {
        y: y.at,
        ldy: y.ld,
        dy: y.gradient,
        dx: x.gradient,
        ldx: x.ld,
        rows: ROWS,
        width: value.width,
        accumulate: accumulate(value.x),
      });
    },
  },

  concat: {
    forward(value, { places, list }) {
      const y = places.of(value);
      let column = 0;
      for (const part of value.xs) {
        const x = places.of(part);
        list.emit('copyColumns', {
          x: x.at,
          ldx: x.ld,
          y: y.at + column * 4,
          ldy: y.ld,
          rows: ROWS,
          width: part.width,
          accumulate: 0,
        });
        column += part.width;
      }
    },
    backward(value, { places, list, accumulate }) {
      const y = places.of(value);
      let column = 0;
      for (const part of value.xs) {
        const x = places.of(part);
        list.emit('copyColumns', {
          x: y.gradient + column * 4,
          ldx: y.ld,
          y: x.gradient,
          ldy: x.ld,
          rows: ROWS,
          width: part.width,
          accumulate: accumulate(part),
        });
        column += part.width;
      }
    },
  },

  slice: {
    forward(value, { places, list }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      list.emit('copyColumns', {
        x: x.at + value.begin * 4,
        ldx: x.ld,
        y: y.at,
        ldy: y.ld,
        rows: ROWS,
        width: value.width,
        accumulate: 0,
      });
    },
    backward(value, { places, list, accumulate }) {
      const [x, y] = [places.of(value.x), places.of(value)];
      if (accumulate(value.x) === 0) list.emit('clear', { y: x.gradient, ldy: x.ld, rows: ROWS, columns: x.columns });
      list.emit('copyColumns', {
        x: y.gradient,
        ldx: y.ld,
        y: x.gradient + value.begin * 4,
        ldy: x.ld,
        rows: ROWS,
        width: value.width,
        accumulate: 1,
      });
    },
  },

  multiply: {
    forward(value, { places, list }) {
      const [a, b, y] = [places.of(value.a), places.of(value.b), places.of(value)];
      list.emit('multiply', {
        a: a.at,
        lda: a.ld,
        b: b.at,
        ldb: b.ld,
        y: y.at,
        ldy: y.ld,
        rows: ROWS,
        columns: y.columns,
        accumulate: 0,
      });
    },
    backward(value, { places, list, accumulate }) {
      const [a, b, y] = [places.of(value.a), places.of(value.b), places.of(value)];
      list.emit('multiply', {
        a: y.gradient,
        lda: y.ld,
        b: b.at,
        ldb: b.ld,
        y: a.gradient,
        ldy: a.ld,
        rows: ROWS,
        columns: y.columns,
        accumulate: accumulate(value.a),
      });
      list.emit('multiply', {
        a: y.gradient,
        lda: y.ld,
        b: a.at,
        ldb: a.ld,
        y: b.gradient,
        ldy: b.ld,
        rows: ROWS,
        columns: y.columns,
        accumulate: accumulate(value.b),
      });
    },
  },

  add: {
    forward(value, { places, list }) {
      const y = places.of(value);
      [value.a, value.b].forEach((operand, i) => {
        const x = places.of(operand);
        list.emit('copyColumns', {
          x: x.at,
          ldx: x.ld,
          y: y.at,
          ldy: y.ld,
          rows: ROWS,
          width: value.width,
          accumulate: i,
        });
      });
    },
    backward(value, { places, list, accumulate }) {
      const y = places.of(value);
      for (const operand of [value.a, value.b]) {
        const x = places.of(operand);
        list.emit('copyColumns', {
          x: y.gradient,
          ldx: y.ld,
          y: x.gradient,
          ldy: x.ld,
          rows: ROWS,
          width: value.width,
          accumulate: accumulate(operand),
        });
      }
    },
  },

  mixture: {
    forward(value, { places, list }) {
      const [gate, y] = [places.of(value.gate), places.of(value)];
      value.experts.forEach((expert, e) => {
        const x = places.of(expert);
        list.emit('scaleRows', {
          g: gate.at + e * 4,
          ldg: gate.ld,
          x: x.at,
          ldx: x.ld,
          y: y.at,
          ldy: y.ld,
          rows: ROWS,
          columns: y.columns,
          scale: 1,
          accumulate: Math.min(e, 1),
        });
      });
    },
    backward(value, { places, list, accumulate }) {
      const [gate, y] = [places.of(value.gate), places.of(value)];
      const isAdded = accumulate(value.gate);
      value.experts.forEach((expert, e) => {
        const x = places.of(expert);
        list.emit('dotRows', {
          x: y.gradient,
          ldx: y.ld,
          y: x.at,
          ldy: x.ld,
          o: gate.gradient + e * 4,
          ldo: gate.ld,
          rows: ROWS,
          columns: y.columns,
          scale: 1,
          accumulate: isAdded,
        });
        list.emit('scaleRows', {
          g: gate.at + e * 4,
          ldg: gate.ld,
          x: y.gradient,
          ldx: y.ld,
          y: x.gradient,
          ldy: x.ld,
          rows: ROWS,
          columns: y.columns,
          scale: 1,
          accumulate: accumulate(expert),
        });
      });
    },
  },
};
