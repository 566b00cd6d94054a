import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';

/** Name of the dynamic dimension of all inputs. */
export const BATCH = 'batch';

/** The items of a field as graph values: concatenated over the rows of the batch. All are int64. */
export interface ItemRows {
  /** Number of rows, and of items, of shape [1]. */
  readonly numRows: string;
  readonly numItems: string;
  /** Number of items per row, and index of its first item. */
  readonly counts: string;
  readonly begins: string;
  /** Row of each item. */
  readonly rowOf: string;
}

/**
 * Adds the input of the offsets of a field, and derives the rows of its items.
 * @param parent field whose items have values, which the items are; default: items of the rows of the batch
 */
export function itemRows(onnx: OnnxGraph, field: string, parent?: string): ItemRows {
  const offsets = onnx.input({
    name: `${field}.offsets`,
    type: 'int64',
    shape: [`${parent === undefined ? BATCH : `items of ${parent}`} + 1`],
    about:
      parent === undefined
        ? "offset of each row's first item, and the total number of items"
        : "offset of each item's first value, and the total number of values",
  });
  return rowsFrom(onnx, offsets);
}

/** Derives the rows of the selected items of a field: at most `count` in each row. */
export function selectedRows(onnx: OnnxGraph, { counts }: ItemRows, count: number): ItemRows {
  const fewer = onnx.node('Min', [counts, onnx.number(count, 'int64')]);
  const ends = onnx.node('CumSum', [fewer, onnx.number(0, 'int64')]);
  return rowsFrom(onnx, onnx.node('Concat', [onnx.ints(0), ends], { axis: 0 }));
}

/** Derives rows from the offset of each row's first item, and the total number of items. */
function rowsFrom(onnx: OnnxGraph, offsets: string): ItemRows {
  const slice = (begin: string, end: string): string => onnx.node('Slice', [offsets, begin, end]);
  const [zero, one] = [onnx.ints(0), onnx.ints(1)];
  const length = onnx.node('Shape', [offsets]);
  const numRows = onnx.node('Sub', [length, one]);
  const numItems = slice(numRows, length);
  // Getters, since a model has only nodes that it reads; equal ones are merged.
  return {
    numRows,
    numItems,
    get begins() {
      return slice(zero, numRows);
    },
    get counts() {
      return onnx.node('Sub', [slice(one, length), slice(zero, numRows)]);
    },
    get rowOf() {
      // The row of an item: how many rows after the first begin at or before it.
      const later = slice(one, numRows);
      const marks = onnx.node(
        'ScatterElements',
        [
          onnx.node('Expand', [onnx.number(0, 'int64'), onnx.node('Add', [numItems, one])]),
          later,
          onnx.node('Expand', [onnx.number(1, 'int64'), onnx.node('Shape', [later])]),
        ],
        { axis: 0, reduction: 'add' },
      );
      return onnx.node('Slice', [onnx.node('CumSum', [marks, onnx.number(0, 'int64')]), zero, numItems]);
    },
  };
}

/** Emits the index of each item among all items. */
export function itemRange(onnx: OnnxGraph, { numItems }: ItemRows): string {
  return range(onnx, onnx.node('Squeeze', [numItems]));
}

/** Emits the index of the last item of each row. */
export function lastItems(onnx: OnnxGraph, { begins, counts }: ItemRows): string {
  return onnx.node('Sub', [onnx.node('Add', [begins, counts]), onnx.number(1, 'int64')]);
}

/** Emits the index of each item in its row. */
export function indexInRow(onnx: OnnxGraph, rows: ItemRows): string {
  return onnx.node('Sub', [itemRange(onnx, rows), onnx.node('Gather', [rows.begins, rows.rowOf])]);
}

function range(onnx: OnnxGraph, length: string): string {
  return onnx.node('Range', [onnx.number(0, 'int64'), length, onnx.number(1, 'int64')]);
}

/** Emits a value with a row of zeros after all others, `[items + 1, width]`. */
export function withZeros(onnx: OnnxGraph, x: string, width: number): string {
  const zeros = onnx.node('Expand', [onnx.number(0, 'float'), onnx.ints(1, width)]);
  return onnx.node('Concat', [x, zeros], { axis: 0 });
}

/** The items of each row in a dimension of their own, of the length of the longest row, at least 1. */
export interface PaddedItems {
  /** Whether an element is an item, `[batch, length, 1]`. */
  isItem(): string;
  /** Number of items per row as float32, `[batch, 1]`. */
  counts(): string;
  /** Converts `[items, width]` to `[batch, length, width]`; padding is 0. */
  pad(x: string, width: number): string;
  /** Converts `[batch, length, width]` to `[items, width]`. */
  unpad(x: string, width: number): string;
}

/** Derives the padded form of items. */
export function paddedItems(onnx: OnnxGraph, rows: ItemRows): PaddedItems {
  const one = onnx.ints(1);
  const longest = onnx.node('Max', [onnx.node('ReduceMax', [rows.counts], { keepdims: 0 }), onnx.number(1, 'int64')]);
  const places = range(onnx, longest);
  const isItem = onnx.node('Less', [places, onnx.node('Unsqueeze', [rows.counts, one])]);
  return {
    isItem: () => onnx.node('Unsqueeze', [isItem, onnx.ints(2)]),
    counts: () => onnx.node('Unsqueeze', [onnx.node('Cast', [rows.counts], { to: ELEMENT_TYPES.float }), one]),
    pad(x, width) {
      const items = onnx.node('Add', [places, onnx.node('Unsqueeze', [rows.begins, one])]);
      return onnx.node('Gather', [withZeros(onnx, x, width), onnx.node('Where', [isItem, items, rows.numItems])]);
    },
    unpad(x, width) {
      const flat = onnx.node('Add', [onnx.node('Mul', [rows.rowOf, longest]), indexInRow(onnx, rows)]);
      return onnx.node('Gather', [onnx.node('Reshape', [x, onnx.ints(-1, width)]), flat]);
    },
  };
}
