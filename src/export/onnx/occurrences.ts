import type { Occurrences, OccurrenceOutput } from '../../features/computed-rule.js';
import type { CellOptions } from '../../features/cells.js';
import { checked } from './cells.js';
import { toDouble } from './formula-functions.js';
import type { ComputedSources } from './formulas.js';
import { emitItems } from './lists.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';

/** Items of a list as graph values of shape `[batch, length]`. */
interface Found {
  /** Which items equal the candidate, and which are no padding. */
  readonly isMatch: string;
  readonly isItem: string;
  /** Float64 weights; 0 for padding. */
  readonly weights: string;
  readonly newest: Occurrences['newest'];
}

/** Emits a number per row that compares a candidate with the items of a list, as float64. */
export function emitOccurrences(
  { candidate, history, form, negative, newest, output }: Occurrences,
  clean: CellOptions | undefined,
  { onnx, cells }: ComputedSources,
): string {
  const items = emitItems(cells(history, clean), { ...form, negative }, clean);
  const isItem = onnx.node('Not', [items.isOut]);
  const value = onnx.node('Unsqueeze', [cells(candidate, clean).texts, onnx.ints(1)]);
  const isEqual = onnx.node('And', [isItem, onnx.node('Equal', [items.texts, value])]);
  // As stored rows have them.
  const rounded = toDouble(onnx, onnx.node('Cast', [items.weights], { to: ELEMENT_TYPES.float }));
  const weights = onnx.node('Where', [isItem, rounded, onnx.number(0, 'double')]);
  const found = OUTPUTS[output](onnx, { isMatch: isEqual, isItem, weights, newest });
  const areAll = (condition: string): string => {
    const numbers = onnx.node('Cast', [condition], { to: ELEMENT_TYPES.int64 });
    const least = onnx.node('ReduceMin', [numbers, onnx.ints(1)], { keepdims: 0 });
    return onnx.node('Equal', [least, onnx.number(1, 'int64')]);
  };
  const ofItems = checked(onnx, found, 'double', areAll(items.isValidItem), items.validItem);
  return checked(onnx, ofItems, 'double', areAll(items.isValidWeight), items.validWeight);
}

const OUTPUTS: Readonly<Record<OccurrenceOutput, (onnx: OnnxGraph, found: Found) => string>> = {
  present: (onnx, { isMatch }) => toDouble(onnx, onnx.node('Greater', [count(onnx, isMatch), onnx.number(0, 'int64')])),
  count: (onnx, { isMatch }) => toDouble(onnx, count(onnx, isMatch)),
  weight: matchedWeight,
  share(onnx, found) {
    const total = sumOfRows(onnx, found.weights);
    const zero = onnx.number(0, 'double');
    const share = onnx.node('Div', [matchedWeight(onnx, found), total]);
    return onnx.node('Where', [onnx.node('Equal', [total, zero]), zero, share]);
  },
  recency(onnx, { isMatch, isItem, newest }) {
    // Position of each item from the newest one, which counts up to it.
    const items = onnx.node('Cast', [isItem], { to: ELEMENT_TYPES.int64 });
    const ranks = onnx.node('CumSum', [items, onnx.number(1, 'int64')], { reverse: newest === 'last' ? 1 : 0 });
    // In float64, since ONNX Runtime compares 32 of the 64 bits of integers (1.30, AVX2).
    const none = onnx.number(Infinity, 'double');
    const matches = onnx.node('Where', [isMatch, toDouble(onnx, ranks), none]);
    const best = onnx.node('ReduceMin', [matches, onnx.ints(1)], { keepdims: 0 });
    return onnx.node('Where', [onnx.node('Equal', [best, none]), onnx.number(0, 'double'), best]);
  },
};

function sumOfRows(onnx: OnnxGraph, x: string): string {
  return onnx.node('ReduceSum', [x, onnx.ints(1)], { keepdims: 0 });
}

function count(onnx: OnnxGraph, condition: string): string {
  return sumOfRows(onnx, onnx.node('Cast', [condition], { to: ELEMENT_TYPES.int64 }));
}

function matchedWeight(onnx: OnnxGraph, { isMatch, weights }: Found): string {
  return sumOfRows(onnx, onnx.node('Where', [isMatch, weights, onnx.number(0, 'double')]));
}
