import type { Arithmetic, ScalarFunction } from '../../graph/scalar-functions.js';
import type { OnnxGraph } from './onnx-graph.js';

/** Emits a scalar function of each element. @returns the name of its output */
export function emitFunction(onnx: OnnxGraph, each: ScalarFunction, x: string): string {
  if (each.onnx === undefined) return each.value(arithmetic(onnx), x);
  const [operator, attributes] = each.onnx;
  const floats = Object.entries(attributes).map(([name, float]) => [name, { float }] as const);
  return onnx.node(operator, [x], Object.fromEntries(floats));
}

/** Returns formulas as operators of opset 16, which has no Gelu. */
function arithmetic(onnx: OnnxGraph): Arithmetic<string> {
  const node = (operator: string, ...inputs: readonly string[]): string => onnx.node(operator, inputs);
  const number = (value: number): string => onnx.number(value, 'float');
  /** 2πx without whole turns, which is exact before the product. */
  const partOfTurn = (x: string): string => node('Mul', node('Sub', x, node('Round', x)), number(2 * Math.PI));
  return {
    number,
    add: (a, b) => node('Add', a, b),
    subtract: (a, b) => node('Sub', a, b),
    multiply: (a, b) => node('Mul', a, b),
    multiplyAdd: (a, b, c) => node('Add', node('Mul', a, b), c),
    reciprocal: (x) => node('Reciprocal', x),
    step: (x, below) => node('Where', node('Greater', x, number(0)), number(1), number(below)),
    positive: (x) => node('Relu', x),
    exp: (x) => node('Exp', x),
    expm1: (x) => node('Sub', node('Exp', x), number(1)),
    log: (x) => node('Log', x),
    log1p: (x) => node('Log', node('Add', x, number(1))),
    softplus: (x) => node('Softplus', x),
    sign: (x) => node('Sign', x),
    sin2Pi: (x) => node('Sin', partOfTurn(x)),
    cos2Pi: (x) => node('Cos', partOfTurn(x)),
    sigmoid: (x) => node('Sigmoid', x),
    tanh: (x) => node('Tanh', x),
    distribution: (x) =>
      node('Mul', number(0.5), node('Add', number(1), node('Erf', node('Mul', x, number(Math.SQRT1_2))))),
    density: (x) =>
      node('Mul', node('Exp', node('Mul', number(-0.5), node('Mul', x, x))), number(1 / Math.sqrt(2 * Math.PI))),
  };
}
