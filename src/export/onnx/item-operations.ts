import type { ItemOperation } from '../../graph/operations.js';
import { emitAttention, masked } from './attention.js';
import type { Emit } from './emission.js';
import { emitGru } from './gru.js';
import { indexInRow, itemRange, withZeros } from './items.js';
import { ELEMENT_TYPES } from './messages.js';
import { padded, findRows } from './padded.js';

/** Operations on the items of sequences, and on the rows of `split`. */
export const ITEM_OPERATIONS: { readonly [Name in ItemOperation]: Emit<Name> } = {
  expand: ({ x, rows }, emission) => emission.onnx.node('Gather', [emission.of(x), findRows(rows, emission).rowOf]),

  segmentPool({ x, of: pooling, weights }, emission) {
    const { onnx } = emission;
    const { pad, isItem, counts } = padded(x.rows, emission);
    if (pooling === 'max') {
      const items = masked(onnx, pad(x), isItem());
      const [top] = onnx.nodeOf(undefined, 'TopK', [items, onnx.ints(1)], { axis: 1 }, 2);
      const max = onnx.node('Squeeze', [top!, onnx.ints(1)]);
      const zero = onnx.number(0, 'float');
      return onnx.node('Where', [onnx.node('Equal', [counts(), zero]), zero, max]);
    }
    const items = weights === undefined ? pad(x) : onnx.node('Mul', [pad(x), pad(weights)]);
    const sum = onnx.node('ReduceSum', [items, onnx.ints(1)], { keepdims: 0 });
    if (pooling === 'sum') return sum;
    return onnx.node('Div', [sum, onnx.node('Max', [counts(), onnx.number(1, 'float')])]);
  },

  segmentSoftmax({ x, width }, emission) {
    const { pad, unpad, isItem } = padded(x.rows, emission);
    const scores = masked(emission.onnx, pad(x), isItem());
    return unpad(emission.onnx.node('Softmax', [scores], { axis: 1 }), width);
  },

  segmentAttention: emitAttention,

  segmentGru: emitGru,

  shift({ x, by, width, rows }, emission) {
    const { onnx, of } = emission;
    const items = findRows(rows, emission);
    const distance = onnx.number(by, 'int64');
    const from = onnx.node('Sub', [indexInRow(onnx, items), distance]);
    const isThere = onnx.node('And', [
      onnx.node('GreaterOrEqual', [from, onnx.number(0, 'int64')]),
      onnx.node('Less', [from, onnx.node('Gather', [items.counts, items.rowOf])]),
    ]);
    const sources = onnx.node('Sub', [itemRange(onnx, items), distance]);
    return onnx.node('Gather', [withZeros(onnx, of(x), width), onnx.node('Where', [isThere, sources, items.numItems])]);
  },

  itemPosition({ rows }, emission) {
    const { onnx } = emission;
    const items = findRows(rows, emission);
    const later = onnx.node('Sub', [onnx.node('Gather', [items.counts, items.rowOf]), indexInRow(onnx, items)]);
    const position = onnx.node('Cast', [onnx.node('Sub', [later, onnx.number(1, 'int64')])], {
      to: ELEMENT_TYPES.float,
    });
    return onnx.node('Unsqueeze', [position, onnx.ints(1)]);
  },
};
