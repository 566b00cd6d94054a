import type { SearchOperation } from '../../graph/operations.js';
import type { Emit } from './emission.js';
import { findRows } from './padded.js';
import { indexInRow, lastItems } from './items.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';

/** The score of padding, which follows all items of the same score. */
const LOWEST = -3.4028234663852886e38;

/** Operations that score items for the candidate, select some, and copy those. */
export const SEARCH_OPERATIONS: { readonly [Name in SearchOperation]: Emit<Name> } = {
  itemProduct({ x, query, rows }, emission) {
    const { onnx, of } = emission;
    const queries = onnx.node('Gather', [of(query), findRows(rows, emission).rowOf]);
    return onnx.node('ReduceSum', [onnx.node('Mul', [of(x), queries]), onnx.ints(1)], { keepdims: 1 });
  },

  hashMatches({ x, query, projection, rows }, emission) {
    const { onnx, of, weights } = emission;
    const matrix = onnx.tensor(projection.name, weights(projection));
    const hash = (value: string): string =>
      asFloat(onnx, onnx.node('Less', [onnx.node('MatMul', [value, matrix]), onnx.number(0, 'float')]));
    const queries = onnx.node('Gather', [hash(of(query)), findRows(rows, emission).rowOf]);
    const matches = asFloat(onnx, onnx.node('Equal', [hash(of(x)), queries]));
    return onnx.node('ReduceSum', [matches, onnx.ints(1)], { keepdims: 1 });
  },

  // TopK returns the first of equal elements, so rows have their newest item first.
  selectTop({ scores, rows }, emission) {
    const { onnx, of } = emission;
    const [all, selected] = [findRows(scores.rows, emission), findRows(rows, emission)];
    const one = onnx.ints(1);
    const columnOf = (x: string): string => onnx.node('Unsqueeze', [x, one]);
    const longest = (counts: string): string =>
      onnx.node('Max', [onnx.node('ReduceMax', [counts], { keepdims: 0 }), onnx.number(1, 'int64')]);
    const length = longest(all.counts);
    const places = onnx.node('Range', [onnx.number(0, 'int64'), length, onnx.number(1, 'int64')]);
    const sources = onnx.node('Where', [
      onnx.node('Less', [places, columnOf(all.counts)]),
      onnx.node('Sub', [columnOf(lastItems(onnx, all)), places]),
      all.numItems,
    ]);
    const lowest = onnx.node('Expand', [onnx.number(LOWEST, 'float'), one]);
    const flat = onnx.node('Concat', [onnx.node('Reshape', [of(scores), onnx.ints(-1)]), lowest], { axis: 0 });
    const width = longest(selected.counts);
    const count = onnx.node('Unsqueeze', [width, onnx.ints(0)]);
    const top = (x: string, output: 0 | 1): string =>
      onnx.nodeOf(undefined, 'TopK', [x, count], { axis: 1 }, 2)[output]!;
    const found = top(onnx.node('Gather', [flat, sources]), 1);
    const isItem = onnx.node('Less', [found, columnOf(all.counts)]);
    const oldestFirst = top(onnx.node('Where', [isItem, found, onnx.number(-1, 'int64')]), 0);
    const own = onnx.node('Add', [onnx.node('Mul', [selected.rowOf, width]), indexInRow(onnx, selected)]);
    return columnOf(asFloat(onnx, onnx.node('Gather', [onnx.node('Reshape', [oldestFirst, onnx.ints(-1)]), own])));
  },

  gatherItems({ x, positions, rows }, emission) {
    const { onnx, of } = emission;
    const lasts = onnx.node('Gather', [lastItems(onnx, findRows(x.rows, emission)), findRows(rows, emission).rowOf]);
    const later = onnx.node('Cast', [onnx.node('Reshape', [of(positions), onnx.ints(-1)])], {
      to: ELEMENT_TYPES.int64,
    });
    return onnx.node('Gather', [of(x), onnx.node('Sub', [lasts, later])]);
  },
};

function asFloat(onnx: OnnxGraph, x: string): string {
  return onnx.node('Cast', [x], { to: ELEMENT_TYPES.float });
}
