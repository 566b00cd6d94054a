import type { LossValue, Operations, OperationName, Parameter, Value } from './operations.js';

/** One summand of what is minimised. */
export interface Term {
  /** What is told of its loss: often a measured space that it trains, but it may train none. */
  readonly name: string;
  readonly loss: LossValue;
  readonly weight: number;
}

/** Shares that add up to 1 in each row: how much a gate lets through of each expert. */
export interface Gate {
  readonly shares: Value;
  /** Names of the experts, one a column; gates that share an expert have the same name for it. */
  readonly experts: readonly string[];
}

/** A finished model: what engines compile. */
export interface Graph {
  /** Operands before results. */
  readonly values: readonly Value[];
  readonly parameters: readonly Parameter[];
  /** By task: a probability, or the predicted number of a regression; width 1. */
  readonly predictions: ReadonlyMap<string, Value>;
  readonly terms: readonly Term[];
  /**
   * Columns of the looked-up input that are features; what lies behind is looked up for a wide part. All are where it
   * is not given.
   */
  readonly featureWidth?: number;
  /** By name, mostly that of a task: what a diagnosis looks at beside gradients. */
  readonly gates?: ReadonlyMap<string, Gate>;
}

type Operands = { [Name in OperationName]: (value: Operations[Name]) => readonly (Value | undefined)[] };

const OPERANDS: Operands = {
  input: () => [],
  linear: ({ x }) => [x],
  batchNorm: ({ x }) => [x],
  activation: ({ x }) => [x],
  layerNorm: ({ x }) => [x],
  dropout: ({ x }) => [x],
  softmax: ({ x }) => [x],
  concat: ({ xs }) => xs,
  slice: ({ x }) => [x],
  multiply: ({ a, b }) => [a, b],
  add: ({ a, b }) => [a, b],
  affine: ({ x }) => [x],
  map: ({ x }) => [x],
  productLogit: ({ a, b }) => [a, b],
  crossEntropy: ({ logit, label }) => [logit, label],
  reciprocal: ({ x }) => [x],
  clip: ({ x }) => [x],
  batchSum: ({ x }) => [x],
  groupLogSumExp: ({ x, groups }) => [x, groups],
  groupPairs: ({ x, label, groups }) => [x, label, groups],
  stopGradient: ({ x }) => [x],
  mixture: ({ gate, experts }) => [gate, ...experts],
  attend: ({ tokens }) => tokens,
  binaryCrossEntropy: ({ logit, label, mask, weights }) => [logit, label, mask, weights],
  mean: ({ x, mask, weights }) => [x, mask, weights],
  squaredError: ({ prediction, label, mask, weights }) => [prediction, label, mask, weights],
};

/** The values that an operation reads. */
export function listOperands(value: Value): readonly Value[] {
  // The table's entry for `value.op` takes that operation's attributes.
  const operands = OPERANDS[value.op] as (value: Value) => readonly (Value | undefined)[];
  return operands(value).filter((operand) => operand !== undefined);
}

/** The values that are needed to compute `targets`, operands first. */
export function neededFor(graph: Graph, targets: readonly Value[]): readonly Value[] {
  const needed = new Set<Value>();
  const visit = (value: Value): void => {
    if (needed.has(value)) return;
    needed.add(value);
    listOperands(value).forEach(visit);
  };
  targets.forEach(visit);
  return graph.values.filter((value) => needed.has(value));
}

/**
 * Biases that a batch norm takes away again with the mean: all that reads their layer is normalised. Their gradient is
 * 0; what
 * a sum over the batch leaves in floats is noise, which an optimizer that divides by the gradient's own size would
 * follow.
 */
export function cancelledBiases(graph: Graph): ReadonlySet<Parameter> {
  const isKept = new Set<Value>([...graph.predictions.values()]);
  for (const value of graph.values)
    if (value.op !== 'batchNorm') for (const operand of listOperands(value)) isKept.add(operand);
  return new Set(
    graph.values.flatMap((value) =>
      value.op === 'linear' && value.bias !== undefined && !isKept.has(value) ? [value.bias] : [],
    ),
  );
}
