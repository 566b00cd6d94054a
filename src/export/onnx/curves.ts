import { MIN_PROBABILITY, MAX_PROBABILITY, type Curve } from '../../evaluation/calibration/curve.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';

/**
 * By kind of curve: writes down what it makes of probabilities, as `applyCurve` computes it, in floats; the name is
 * that of what they are of.
 */
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

  // The last point that is not behind a probability is looked for by halves, all rows at once; behind the last point
  // there are more at infinity.
  'broken-line'(onnx, { from, to }, probability, name) {
    const halvings = Math.ceil(Math.log2(from.length + 1));
    const size = 2 ** halvings;
    const padded = (values: readonly number[], rest: number): Float32Array =>
      Float32Array.from({ length: size + 1 }, (_, i) => values[i] ?? rest);
    const points = onnx.tensor(`${name}.from`, { shape: [size + 1], data: padded(from, Infinity) });
    const values = onnx.tensor(`${name}.to`, { shape: [size + 1], data: padded(to, to.at(-1)!) });
    let at = onnx.node('Cast', [onnx.node('Mul', [probability, onnx.number(0, 'float')])], { to: ELEMENT_TYPES.int64 });
    for (let step = size / 2; step >= 1; step /= 2) {
      const next = onnx.node('Add', [at, onnx.number(step, 'int64')]);
      at = onnx.node('Where', [
        onnx.node('GreaterOrEqual', [probability, onnx.node('Gather', [points, next])]),
        next,
        at,
      ]);
    }
    const after = onnx.node('Add', [at, onnx.number(1, 'int64')]);
    const [low, high, below, above] = [
      onnx.node('Gather', [points, at]),
      onnx.node('Gather', [points, after]),
      onnx.node('Gather', [values, at]),
      onnx.node('Gather', [values, after]),
    ];
    // Before the first point, the way is none; behind the last, its length is infinite.
    const way = onnx.node('Max', [onnx.node('Sub', [probability, low]), onnx.number(0, 'float')]);
    const length = onnx.node('Max', [onnx.node('Sub', [high, low]), onnx.number(MIN_PROBABILITY, 'float')]);
    return onnx.node('Add', [
      below,
      onnx.node('Mul', [onnx.node('Div', [way, length]), onnx.node('Sub', [above, below])]),
    ]);
  },
};

/**
 * Writes a curve down.
 * @param probability the value that it is applied to, `[B, 1]`
 * @param name what its points are called in the file
 */
export function emitCurve(onnx: OnnxGraph, curve: Curve, probability: string, name: string): string {
  // The entry for this kind takes this curve, which the types cannot follow.
  return EMITTED[curve.kind](onnx, curve as never, probability, name);
}
