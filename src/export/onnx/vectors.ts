import type { VectorRule } from '../../features/cell-rule.js';
import { BATCH } from './items.js';
import { checked } from './cells.js';
import { scaled } from './cell-rules.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';

/**
 * Creates an input for vectors, `[batch, length]`, and emits their encoding as float32, `[batch, width]`. A row of only
 * NaN is a missing value.
 */
export function emitVectors(
  onnx: OnnxGraph,
  field: string,
  column: string,
  { length, steps, empty, hasIndicator }: VectorRule,
): string {
  const input = onnx.input({
    name: column,
    type: 'float',
    shape: [BATCH, length],
    about: 'raw numbers of the data; NaN in every element for a missing value',
  });
  const one = onnx.ints(1);
  const numbers = onnx.node('Cast', [input], { to: ELEMENT_TYPES.double });
  const isNaN = onnx.node('IsNaN', [numbers]);
  const toInt = (x: string): string => onnx.node('Cast', [x], { to: ELEMENT_TYPES.int64 });
  const isEmpty = onnx.node('Equal', [
    onnx.node('ReduceMin', [toInt(isNaN), one], { keepdims: 1 }),
    onnx.number(1, 'int64'),
  ]);
  const isNumber = onnx.node('Not', [onnx.node('Or', [isNaN, onnx.node('IsInf', [numbers])])]);
  const holds = empty === 'refused' ? isNumber : onnx.node('Or', [isNumber, isEmpty]);
  const zeroed = onnx.node('Where', [isNaN, onnx.number(0, 'double'), numbers]);
  const read = checked(onnx, zeroed, 'double', holds, `${field}: a number in every element`);
  const indices = steps.reduce((x, step) => scaled(step, x, { onnx, field }), read);
  const filled = empty === 'refused' ? indices : onnx.node('Where', [isEmpty, onnx.doubles(empty), indices]);
  const all = hasIndicator
    ? onnx.node('Concat', [filled, onnx.node('Cast', [isEmpty], { to: ELEMENT_TYPES.double })], { axis: 1 })
    : filled;
  return onnx.node('Cast', [all], { to: ELEMENT_TYPES.float });
}
