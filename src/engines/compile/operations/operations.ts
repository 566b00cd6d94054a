import type { LossName, OperationName, Value, ValueOf } from '../../../graph/operations.js';
import { cutColumns, shift, type View } from '../buffers.js';
import type { CallList } from '../call-list.js';
import type { Lowered, Lowering } from '../lowering.js';
import { ACTIVATION } from './activation.js';
import { COMBINED } from './combined.js';
import { ATTEND } from './attend.js';
import { GROUPS } from './groups.js';
import { SEGMENT_GRU } from './gru.js';
import { MAPS } from './maps.js';
import { multiplyMatrix, multiplyMatrixGradient } from './matrix-products.js';
import { normalize, normalizeGradient } from './normalize.js';
import { SEARCHES } from './searches.js';
import { SEGMENTS } from './segments.js';

type LoweringTable = { readonly [Name in Exclude<OperationName, LossName>]: Lowered<Name> };

/** y (+)= x, by columns */
function copy(list: CallList, x: View, y: View, accumulate: number): void {
  list.emit('copyColumns', { x, y, width: Math.min(x.width, y.width), accumulate });
}

/** y (+)= a · b, by elements */
function multiply(list: CallList, a: View, b: View, y: View, accumulate: number): void {
  list.emit('multiply', { a, b, y, columns: y.columns, accumulate });
}

/** y (+)= x with elements dropped and the others scaled; the backward pass drops the same elements. */
function drop({ list, dropoutKey }: Lowering, value: ValueOf<'dropout'>, x: View, y: View, accumulate: number): void {
  list.emit('dropout', {
    x,
    y,
    width: value.width,
    key: dropoutKey(value.name),
    threshold: value.rate * 2 ** 32,
    keep: 1 / (1 - value.rate),
    accumulate,
  });
}

/** Emits copies between the columns of a row of the batch and its blocks, to the blocks or from them. */
function copyBlocks(
  { list, batch }: Lowering,
  row: View,
  block: View,
  { isInterleaved }: Pick<ValueOf<'split'>, 'isInterleaved'>,
  { isJoin, accumulate }: { readonly isJoin: boolean; readonly accumulate: number },
): void {
  const count = row.width / block.width;
  const [pieces, width] = isInterleaved ? [block.width, 1] : [1, block.width];
  for (let b = 0; b < count; b++)
    for (let piece = 0; piece < pieces; piece++) {
      const ofRow = { at: shift(row, isInterleaved ? b + piece * count : b * width), ld: row.ld };
      const ofBlock = { at: shift(block, b * block.ld + piece), ld: count * block.ld };
      const [from, to] = isJoin ? [ofBlock, ofRow] : [ofRow, ofBlock];
      list.emit('copyColumns', { x: from.at, ldx: from.ld, y: to.at, ldy: to.ld, rows: batch, width, accumulate });
    }
}

/** Returns what a batch norm scales by, and the activation that it applies. */
function scalingOf(value: ValueOf<'batchNorm'>, { places, fused }: Lowering) {
  return { gain: places.vector(value.gain), shift: places.vector(value.shift), activation: fused(value) };
}

/** Returns the columns of each part of a concatenation. */
function* partsOf(parts: readonly Value[], whole: View): Generator<readonly [Value, View]> {
  let column = 0;
  for (const part of parts) {
    yield [part, cutColumns(whole, column, part.width)];
    column += part.width;
  }
}

/** Every operation that is not a loss. */
export const LOWERED: LoweringTable = {
  ...MAPS,
  ...GROUPS,
  ...SEGMENTS,
  segmentGru: SEGMENT_GRU,
  ...SEARCHES,
  ...COMBINED,
  activation: ACTIVATION,
  attend: ATTEND,

  input: { forward: () => undefined, backward: () => undefined },

  // A group of linear layers is computed with the first member that is required.
  linear: {
    forward(value, lowering) {
      const { members, x, matrix, bias, out, activated } = lowering.places.groupOf(value);
      if (members.find((member) => lowering.computed.has(member)) === value)
        multiplyMatrix(lowering, lowering.view(x), matrix, bias, out.value, activated);
    },
    backward(value, lowering) {
      const { places, list, gradient, weightGradient, accumulate, canceled } = lowering;
      const { members, x, matrix, out } = places.groupOf(value);
      if (members[0] !== value) return;
      for (const member of members) {
        if (member.bias === undefined || canceled.has(member.bias)) continue;
        const d = gradient(member);
        const g = weightGradient(places.vector(member.bias));
        list.emit('columnSums', { d, g, columns: d.columns, accumulate: 0 });
      }
      multiplyMatrixGradient(lowering, places.of(x), matrix, out.gradient, accumulate(x));
    },
  },

  batchNorm: {
    forward(value, lowering) {
      const { view } = lowering;
      const scaling = scalingOf(value, lowering);
      normalize(lowering, view(value.x), view(value), scaling, value.running);
    },
    backward(value, lowering) {
      const { places, gradient, weightGradient, accumulate } = lowering;
      const scaling = scalingOf(value, lowering);
      normalizeGradient(
        lowering,
        places.of(value.x),
        gradient(value),
        scaling,
        value.running.mean,
        { gain: weightGradient(scaling.gain), shift: weightGradient(scaling.shift) },
        accumulate(value.x),
      );
    },
  },

  dropout: {
    forward(value, lowering) {
      const [x, y] = [lowering.view(value.x), lowering.view(value)];
      if (lowering.mode === 'predict') copy(lowering.list, x, y, 0);
      else drop(lowering, value, x, y, 0);
    },
    backward(value, lowering) {
      const { gradient, accumulate } = lowering;
      drop(lowering, value, gradient(value), gradient(value.x), accumulate(value.x));
    },
  },

  softmax: {
    forward(value, { list, view }) {
      const y = view(value);
      list.emit('softmax', { x: view(value.x), y, width: value.width, columns: y.columns });
    },
    backward(value, { list, view, gradient, accumulate }) {
      const [y, dy, dx] = [view(value), gradient(value), gradient(value.x)];
      list.emit('softmaxGradient', { y, dy, dx, width: value.width, accumulate: accumulate(value.x) });
    },
  },

  concat: {
    forward(value, { list, view, places }) {
      for (const [part, columns] of partsOf(value.xs, view(value)))
        if (places.outermostConcat(part) === part) copy(list, view(part), columns, 0);
    },
    backward(value, { list, gradient, accumulate, places }) {
      for (const [part, columns] of partsOf(value.xs, gradient(value))) {
        const isAdded = accumulate(part);
        if (places.outermostConcat(part) === part) copy(list, columns, gradient(part), isAdded);
      }
    },
  },

  slice: {
    forward(value, { list, view }) {
      copy(list, cutColumns(view(value.x), value.begin, value.width), view(value), 0);
    },
    backward(value, { list, gradient, accumulate }) {
      const dx = gradient(value.x);
      if (accumulate(value.x) === 0) list.emit('clear', { y: dx, columns: dx.columns });
      copy(list, gradient(value), cutColumns(dx, value.begin, value.width), 1);
    },
  },

  split: {
    forward(value, lowering) {
      const { view } = lowering;
      copyBlocks(lowering, view(value.x), view(value), value, { isJoin: false, accumulate: 0 });
    },
    backward(value, lowering) {
      const { gradient } = lowering;
      const accumulate = lowering.accumulate(value.x);
      copyBlocks(lowering, gradient(value.x), gradient(value), value, { isJoin: true, accumulate });
    },
  },

  join: {
    forward(value, lowering) {
      const { view } = lowering;
      copyBlocks(lowering, view(value), view(value.x), value, { isJoin: true, accumulate: 0 });
    },
    backward(value, lowering) {
      const { gradient } = lowering;
      const accumulate = lowering.accumulate(value.x);
      copyBlocks(lowering, gradient(value), gradient(value.x), value, { isJoin: false, accumulate });
    },
  },

  multiply: {
    forward(value, { list, view }) {
      multiply(list, view(value.a), view(value.b), view(value), 0);
    },
    backward(value, { list, view, gradient, accumulate }) {
      multiply(list, gradient(value), view(value.b), gradient(value.a), accumulate(value.a));
      multiply(list, gradient(value), view(value.a), gradient(value.b), accumulate(value.b));
    },
  },

  add: {
    forward(value, { list, view }) {
      copy(list, view(value.a), view(value), 0);
      copy(list, view(value.b), view(value), 1);
    },
    backward(value, { list, gradient, accumulate }) {
      for (const operand of [value.a, value.b]) copy(list, gradient(value), gradient(operand), accumulate(operand));
    },
  },

  mixture: {
    forward(value, { list, view }) {
      const y = view(value);
      for (const [e, expert] of value.experts.entries()) {
        const g = cutColumns(view(value.gate), e, 1);
        list.emit('scaleRows', { g, x: view(expert), y, columns: y.columns, scale: 1, accumulate: Math.min(e, 1) });
      }
    },
    backward(value, { list, view, gradient, accumulate }) {
      const dy = gradient(value);
      const isAdded = accumulate(value.gate);
      for (const [e, expert] of value.experts.entries()) {
        const [g, o] = [cutColumns(view(value.gate), e, 1), cutColumns(gradient(value.gate), e, 1)];
        const shared = { columns: dy.columns, scale: 1 };
        list.emit('dotRows', { x: dy, y: view(expert), o, ...shared, accumulate: isAdded });
        list.emit('scaleRows', { g, x: dy, y: gradient(expert), ...shared, accumulate: accumulate(expert) });
      }
    },
  },
};
