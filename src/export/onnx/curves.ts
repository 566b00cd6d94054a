import { MIN_PROBABILITY, MAX_PROBABILITY, type Curve } from '../../evaluation/calibration/curve.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';

/** By kind of curve: emits the curve on probabilities in float32, like `applyCurve`. */
const EMITTED: {
  readonly [Kind in Curve['kind']]: (
    onnx: OnnxGraph,
    curve: Extract<Curve, { readonly kind: Kind }>,
    probability: string,
    name: string,
  ) => string;
} = {
  logistic(onnx, { slope, intercept }, probability) {
    const p = onnx.node('Clip', [
      probability,
      onnx.number(MIN_PROBABILITY, 'float'),
      onnx.number(MAX_PROBABILITY, 'float'),
    ]);
    const odds = onnx.node('Div', [p, onnx.node('Sub', [onnx.number(1, 'float'), p])]);
    const line = onnx.node('Add', [
      onnx.node('Mul', [onnx.node('Log', [odds]), onnx.number(slope, 'float')]),
      onnx.number(intercept, 'float'),
    ]);
    return onnx.node('Sigmoid', [line]);
  },

  // Binary search for the last point at or below each probability, all rows at once; padded with points at infinity.
  'broken-line'(onnx, { from, to }, probability, name) {
    const halvings = Math.ceil(Math.log2(from.length + 1));
    const size = 2 ** halvings;
    const padded = (values: readonly number[], rest: number): Float32Array =>
      Float32Array.from({ length: size + 1 }, (_, i) => values[i] ?? rest);
    const points = onnx.tensor(`${name}.from`, { shape: [size + 1], data: padded(from, Infinity) });
    const values = onnx.tensor(`${name}.to`, { shape: [size + 1], data: padded(to, to.at(-1)!) });
    let index = onnx.node('Cast', [onnx.node('Mul', [probability, onnx.number(0, 'float')])], {
      to: ELEMENT_TYPES.int64,
    });
    for (let step = size / 2; step >= 1; step /= 2) {
      const next = onnx.node('Add', [index, onnx.number(step, 'int64')]);
      index = onnx.node('Where', [
        onnx.node('GreaterOrEqual', [probability, onnx.node('Gather', [points, next])]),
        next,
        index,
      ]);
    }
    const upper = onnx.node('Add', [index, onnx.number(1, 'int64')]);
    const [low, high, below, above] = [
      onnx.node('Gather', [points, index]),
      onnx.node('Gather', [points, upper]),
      onnx.node('Gather', [values, index]),
      onnx.node('Gather', [values, upper]),
    ];
    // Before the first point the distance is 0; after the last, the segment is infinite.
    const way = onnx.node('Max', [onnx.node('Sub', [probability, low]), onnx.number(0, 'float')]);
    const length = onnx.node('Max', [onnx.node('Sub', [high, low]), onnx.number(MIN_PROBABILITY, 'float')]);
    return onnx.node('Add', [
      below,
      onnx.node('Mul', [onnx.node('Div', [way, length]), onnx.node('Sub', [above, below])]),
    ]);
  },
};

/**
 * Emits a curve.
 * @param probability its input, `[B, 1]`
 * @param name name of its points in the file
 */
export function emitCurve(onnx: OnnxGraph, curve: Curve, probability: string, name: string): string {
  // The entry for a kind accepts curves of that kind, which types cannot express.
  return EMITTED[curve.kind](onnx, curve as never, probability, name);
}
