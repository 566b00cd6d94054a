import type { FunctionName } from '../../features/expressions/functions.js';
import { emitLog1p } from './cell-rules.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';

/** Values of expressions in a graph: float64 numbers or milliseconds, of which NaN is missing, texts or lists. */
export type FormulaValue = string | FormulaBag;
/** Texts of the items of rows, `[batch, length]`, and which elements are no padding. */
export interface FormulaBag {
  readonly texts: string;
  readonly isItem: string;
}

/** Emits the result of a function from its arguments, which have the types of its parameters. */
type EmitFunction = (onnx: OnnxGraph, args: readonly FormulaValue[]) => string;

/** Emits functions and operators of expressions, equal to their definitions. */
export const FORMULA_FUNCTIONS: Readonly<Record<FunctionName, EmitFunction>> = {
  'text ==': ofTexts((onnx, a, b) => onnx.node('Equal', [a, b])),
  'text !=': ofTexts((onnx, a, b) => onnx.node('Not', [onnx.node('Equal', [a, b])])),
  '+': ofNumbers('Add'),
  '-': ofNumbers('Sub'),
  '*': ofNumbers('Mul'),
  '/': ofTwo((onnx, a, b) => missingWhere(onnx, isZero(onnx, b), onnx.node('Div', [a, b]))),
  '<': comparison('Less'),
  '<=': comparison('LessOrEqual'),
  '>': comparison('Greater'),
  '>=': comparison('GreaterOrEqual'),
  '==': comparison('Equal'),
  '!=': ofTwo((onnx, a, b) => emitNot(onnx, emitComparison(onnx, 'Equal', a, b))),
  and: ofTwo(emitAnd),
  or: ofTwo((onnx, a, b) => emitNot(onnx, emitAnd(onnx, emitNot(onnx, a), emitNot(onnx, b)))),
  not: ofOne(emitNot),
  negate: ofNumbers('Neg'),
  log: ofOne((onnx, x) => missingWhere(onnx, isAtMost(onnx, x, 0), onnx.node('Log', [x]))),
  log1p: ofOne((onnx, x) => missingWhere(onnx, isAtMost(onnx, x, -1), emitLog1p(onnx, x))),
  sqrt: ofNumbers('Sqrt'),
  abs: ofNumbers('Abs'),
  min: ofMany((onnx, a, b) => emitExtreme(onnx, 'Min', a, b)),
  max: ofMany((onnx, a, b) => emitExtreme(onnx, 'Max', a, b)),
  clip: ofThree((onnx, x, low, high) => emitExtreme(onnx, 'Min', emitExtreme(onnx, 'Max', x, low), high)),
  if: ofThree((onnx, condition, yes, no) =>
    missingWhere(onnx, isMissing(onnx, condition), onnx.node('Where', [isZero(onnx, condition), no, yes])),
  ),
  missing: ofOne((onnx, x) => toDouble(onnx, isMissing(onnx, x))),
  coalesce: ofMany((onnx, a, b) => onnx.node('Where', [isMissing(onnx, a), b, a])),
  seconds: timeBetween(1000),
  hours: timeBetween(3_600_000),
  days: timeBetween(86_400_000),
  size: ofBags((onnx, bag) => toDouble(onnx, countDistinct(onnx, bag))),
  overlap: ofBags((onnx, a, b) => toDouble(onnx, countBags(onnx, a, b).shared)),
  jaccard: ofBags((onnx, a, b) => {
    const { shared, either } = countBags(onnx, a, b);
    const isNone = onnx.node('Equal', [either, onnx.number(0, 'int64')]);
    return missingWhere(onnx, isNone, onnx.node('Div', [toDouble(onnx, shared), toDouble(onnx, either)]));
  }),
};

/** Emits numbers, NaN where a condition holds. */
export function missingWhere(onnx: OnnxGraph, condition: string, x: string): string {
  return onnx.node('Where', [condition, onnx.number(NaN, 'double'), x]);
}

/** Adds a node that converts a tensor to float64, and returns its name. */
export function toDouble(onnx: OnnxGraph, x: string): string {
  return onnx.node('Cast', [x], { to: ELEMENT_TYPES.double });
}

function ofNumbers(operator: string): EmitFunction {
  // The arguments of functions of numbers are values.
  return (onnx, args) => onnx.node(operator, args as readonly string[]);
}

function ofOne(emit: (onnx: OnnxGraph, x: string) => string): EmitFunction {
  return (onnx, args) => emit(onnx, ...(args as [string]));
}

function ofTwo(emit: (onnx: OnnxGraph, a: string, b: string) => string): EmitFunction {
  return (onnx, args) => emit(onnx, ...(args as [string, string]));
}

function ofThree(emit: (onnx: OnnxGraph, x: string, y: string, z: string) => string): EmitFunction {
  return (onnx, args) => emit(onnx, ...(args as [string, string, string]));
}

function ofMany(emit: (onnx: OnnxGraph, a: string, b: string) => string): EmitFunction {
  return (onnx, args) => (args as readonly string[]).reduce((all, each) => emit(onnx, all, each));
}

function ofBags(emit: (onnx: OnnxGraph, ...bags: readonly FormulaBag[]) => string): EmitFunction {
  return (onnx, args) => emit(onnx, ...(args as readonly FormulaBag[]));
}

/** Emits 1 or 0 for two texts; missing if either is. */
function ofTexts(emit: (onnx: OnnxGraph, a: string, b: string) => string): EmitFunction {
  return ofTwo((onnx, a, b) => {
    const [isNone, isNoOther] = [a, b].map((text) => onnx.node('Equal', [text, onnx.text('')]));
    return missingWhere(onnx, onnx.node('Or', [isNone!, isNoOther!]), toDouble(onnx, emit(onnx, a, b)));
  });
}

function comparison(operator: string): EmitFunction {
  return ofTwo((onnx, a, b) => emitComparison(onnx, operator, a, b));
}

/** Emits 1 or 0; missing if either side is. */
function emitComparison(onnx: OnnxGraph, operator: string, a: string, b: string): string {
  return missingWhere(onnx, isEitherMissing(onnx, a, b), toDouble(onnx, onnx.node(operator, [a, b])));
}

function timeBetween(milliseconds: number): EmitFunction {
  return ofTwo((onnx, later, earlier) =>
    onnx.node('Div', [onnx.node('Sub', [later, earlier]), onnx.number(milliseconds, 'double')]),
  );
}

function isMissing(onnx: OnnxGraph, x: string): string {
  return onnx.node('IsNaN', [x]);
}

function isEitherMissing(onnx: OnnxGraph, a: string, b: string): string {
  return onnx.node('Or', [isMissing(onnx, a), isMissing(onnx, b)]);
}

function isZero(onnx: OnnxGraph, x: string): string {
  return onnx.node('Equal', [x, onnx.number(0, 'double')]);
}

function isAtMost(onnx: OnnxGraph, x: string, bound: number): string {
  return onnx.node('LessOrEqual', [x, onnx.number(bound, 'double')]);
}

function emitNot(onnx: OnnxGraph, x: string): string {
  return missingWhere(onnx, isMissing(onnx, x), toDouble(onnx, isZero(onnx, x)));
}

/** Emits 0 if one side is 0, even if the other is missing. */
function emitAnd(onnx: OnnxGraph, a: string, b: string): string {
  const double = (value: number): string => onnx.number(value, 'double');
  const isEitherZero = onnx.node('Or', [isZero(onnx, a), isZero(onnx, b)]);
  const others = missingWhere(onnx, isMissing(onnx, onnx.node('Add', [a, b])), double(1));
  return onnx.node('Where', [isEitherZero, double(0), others]);
}

/** Emits the smaller or larger number; missing if either is, for which runtimes differ. */
function emitExtreme(onnx: OnnxGraph, operator: 'Min' | 'Max', a: string, b: string): string {
  return missingWhere(onnx, isEitherMissing(onnx, a, b), onnx.node(operator, [a, b]));
}

/** Emits the numbers of distinct items in both bags and in either. */
function countBags(
  onnx: OnnxGraph,
  a: FormulaBag,
  b: FormulaBag,
): { readonly shared: string; readonly either: string } {
  const together = (x: string, y: string): string => onnx.node('Concat', [x, y], { axis: 1 });
  const either = countDistinct(onnx, { texts: together(a.texts, b.texts), isItem: together(a.isItem, b.isItem) });
  const sizes = onnx.node('Add', [countDistinct(onnx, a), countDistinct(onnx, b)]);
  return { shared: onnx.node('Sub', [sizes, either]), either };
}

/** Emits the number of distinct items of each row: how often the sorted codes of their texts change. */
function countDistinct(onnx: OnnxGraph, { texts, isItem }: FormulaBag): string {
  const one = onnx.ints(1);
  const [, , flatCodes] = onnx.nodeOf(undefined, 'Unique', [texts], {}, 4);
  const codes = onnx.node('Reshape', [flatCodes!, onnx.node('Shape', [texts])]);
  const known = onnx.node('Where', [isItem, codes, onnx.number(-1, 'int64')]);
  const length = onnx.node('Slice', [onnx.node('Shape', [known]), one, onnx.ints(2)]);
  const [sorted] = onnx.nodeOf(undefined, 'TopK', [known, length], { axis: 1 }, 2);
  const followed = onnx.node('Pad', [sorted!, onnx.ints(0, 0, 0, 1), onnx.number(-1, 'int64')]);
  const next = onnx.node('Slice', [followed, one, onnx.node('Add', [length, one]), one]);
  const isLast = onnx.node('Not', [onnx.node('Equal', [sorted!, next])]);
  const changes = onnx.node('Cast', [isLast], { to: ELEMENT_TYPES.int64 });
  return onnx.node('ReduceSum', [changes, one], { keepdims: 0 });
}
