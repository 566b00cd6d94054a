import { isOfItems, type Domain } from '../../graph/domain.js';
import type { ItemOperation, Value } from '../../graph/operations.js';
import type { Emission, Emit } from './emission.js';
import {
  indexInRow,
  itemRange,
  paddedItems,
  selectedRows,
  withZeros,
  type ItemRows,
  type PaddedItems,
} from './items.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';

/** Replaces padding in maxima and softmaxes: the lowest float32, since infinities would give NaN in empty rows. */
const LOWEST = -3.4028234663852886e38;

/** The rows of a domain, with those of each row of the batch in a dimension of their own. */
interface Padded extends Pick<PaddedItems, 'unpad' | 'counts'> {
  /** Undefined if all elements are rows. */
  isItem(): string | undefined;
  pad(x: Value): string;
}

/** Operations on the items of sequences, and on the rows of `split`. */
export const ITEM_OPERATIONS: { readonly [Name in ItemOperation]: Emit<Name> } = {
  expand: ({ x, rows }, emission) => emission.onnx.node('Gather', [emission.of(x), rowsOf(rows, emission).rowOf]),

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

  segmentAttention: ({ query, key, value, width, heads, isCausal }, emission) => {
    const { onnx } = emission;
    const { pad, unpad, isItem } = padded(query.rows, emission);
    const headWidth = width / heads;
    const byHead = (x: Value, perm: readonly number[]): string =>
      onnx.node('Transpose', [onnx.node('Reshape', [pad(x), onnx.ints(0, 0, heads, headWidth)])], { perm });
    const scores = onnx.node('Mul', [
      onnx.node('MatMul', [byHead(query, [0, 2, 1, 3]), byHead(key, [0, 2, 3, 1])]),
      onnx.number(1 / Math.sqrt(headWidth), 'float'),
    ]);
    const mask = isItem();
    // [batch, length, 1] to [batch, 1, 1, length]
    const isKey = mask && onnx.node('Unsqueeze', [onnx.node('Transpose', [mask], { perm: [0, 2, 1] }), onnx.ints(1)]);
    const seen = masked(onnx, masked(onnx, scores, isKey), isCausal ? isEarlier(onnx, scores) : undefined);
    const y = onnx.node('MatMul', [onnx.node('Softmax', [seen], { axis: 3 }), byHead(value, [0, 2, 1, 3])]);
    return unpad(
      onnx.node('Reshape', [onnx.node('Transpose', [y], { perm: [0, 2, 1, 3] }), onnx.ints(0, 0, width)]),
      width,
    );
  },

  shift({ x, by, width, rows }, emission) {
    const { onnx, of } = emission;
    const items = rowsOf(rows, emission);
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
    const items = rowsOf(rows, emission);
    const later = onnx.node('Sub', [onnx.node('Gather', [items.counts, items.rowOf]), indexInRow(onnx, items)]);
    const position = onnx.node('Cast', [onnx.node('Sub', [later, onnx.number(1, 'int64')])], {
      to: ELEMENT_TYPES.float,
    });
    return onnx.node('Unsqueeze', [position, onnx.ints(1)]);
  },
};

/** Returns the rows of a domain of items. */
export function rowsOf(domain: Domain, { onnx, itemRows }: Emission): ItemRows {
  if (!isOfItems(domain)) throw new Error(`no items in rows of ${domain.kind}`);
  const rows = itemRows(domain.field);
  return domain.kind === 'items' ? rows : selectedRows(onnx, rows, domain.count);
}

function padded(domain: Domain, emission: Emission): Padded {
  const { onnx, of } = emission;
  if (domain.kind !== 'blocks') {
    const items = paddedItems(onnx, rowsOf(domain, emission));
    return {
      isItem: () => items.isItem(),
      counts: () => items.counts(),
      pad: (x) => items.pad(of(x), x.width),
      unpad: (x, width) => items.unpad(x, width),
    };
  }
  return {
    isItem: () => undefined,
    counts: () => onnx.number(domain.count, 'float'),
    pad: (x) => onnx.node('Reshape', [of(x), onnx.ints(-1, domain.count, x.width)]),
    unpad: (x, width) => onnx.node('Reshape', [x, onnx.ints(-1, width)]),
  };
}

/** Emits x with the lowest number where a mask is false. */
function masked(onnx: OnnxGraph, x: string, mask: string | undefined): string {
  return mask === undefined ? x : onnx.node('Where', [mask, x, onnx.number(LOWEST, 'float')]);
}

/** Emits whether a key is not later than a query, for scores of shape `[batch, heads, queries, keys]`. */
function isEarlier(onnx: OnnxGraph, scores: string): string {
  const shape = onnx.node('Slice', [onnx.node('Shape', [scores]), onnx.ints(2), onnx.ints(4)]);
  const ones = onnx.node('Expand', [onnx.number(1, 'float'), shape]);
  return onnx.node('Cast', [onnx.node('Trilu', [ones], { upper: 0 })], { to: ELEMENT_TYPES.bool });
}
