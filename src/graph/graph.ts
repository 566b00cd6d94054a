import type { LossValue, Operations, OperationName, Parameter, Value } from './operations.js';

/** One summand of what is minimised. */
export interface Term {
  /** The measured space that the term trains: a task, or a task over all rows. */
  readonly name: string;
  readonly loss: LossValue;
  readonly weight: number;
}

/** A finished model: what engines compile. */
export interface Graph {
  /** Operands before results. */
  readonly values: readonly Value[];
  readonly parameters: readonly Parameter[];
  /** By task: a probability, or the predicted number of a regression; width 1. */
  readonly predictions: ReadonlyMap<string, Value>;
  readonly terms: readonly Term[];
}

type Operands = { [Name in OperationName]: (value: Operations[Name]) => readonly (Value | undefined)[] };

const OPERANDS: Operands = {
  input: () => [],
  linear: ({ x }) => [x],
  batchNorm: ({ x }) => [x],
  activation: ({ x }) => [x],
  dropout: ({ x }) => [x],
  softmax: ({ x }) => [x],
  concat: ({ xs }) => xs,
  slice: ({ x }) => [x],
  multiply: ({ a, b }) => [a, b],
  add: ({ a, b }) => [a, b],
  mixture: ({ gate, experts }) => [gate, ...experts],
  attend: ({ tokens }) => tokens,
  binaryCrossEntropy: ({ logit, label, mask, weights }) => [logit, label, mask, weights],
  productCrossEntropy: ({ logits, label, mask, weights }) => [...logits, label, mask, weights],
  squaredError: ({ prediction, label, mask, weights }) => [prediction, label, mask, weights],
};

/** The values that an operation reads. */
export function operandsOf(value: Value): readonly Value[] {
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
    operandsOf(value).forEach(visit);
  };
  targets.forEach(visit);
  return graph.values.filter((value) => needed.has(value));
}
