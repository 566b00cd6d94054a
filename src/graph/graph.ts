import type { LossValue, Operations, OperationName, Parameter, Value } from './operations.js';

/** A weighted term of the training objective. */
export interface Term {
  /** Name in logs; often an output that the term trains. */
  readonly name: string;
  readonly loss: LossValue;
  readonly weight: number;
}

/** A gate: weights of experts that sum to 1 per row. */
export interface Gate {
  readonly shares: Value;
  /** Names of the experts, one per column; gates that share an expert use the same name. */
  readonly experts: readonly string[];
}

/** A finished model, the input of engines. */
export interface Graph {
  /** In topological order: operands come before results. */
  readonly values: readonly Value[];
  readonly parameters: readonly Parameter[];
  /** Prediction per task, of width 1: a probability or a number. */
  readonly predictions: ReadonlyMap<string, Value>;
  readonly terms: readonly Term[];
  /** Number of feature columns in the looked-up input; later columns belong to a wide part. Default: all columns. */
  readonly featureWidth?: number;
  /** Gates by name, usually a task's, for diagnostics. */
  readonly gates?: ReadonlyMap<string, Gate>;
}

/** Returns the values that an operation with some attributes reads, in the order of its attributes. */
export function operandsOf(attributes: Operations[OperationName]): readonly Value[] {
  return Object.values(attributes)
    .flat()
    .filter(
      (attribute): attribute is Value => typeof attribute === 'object' && attribute !== null && 'op' in attribute,
    );
}

/** Returns the values that an operation reads. */
export function listOperands(value: Value): readonly Value[] {
  return operandsOf(value);
}

/** Returns the values that are required to compute `targets`, in topological order. */
export function listRequired(graph: Graph, targets: readonly Value[]): readonly Value[] {
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
 * Finds biases that batch norm cancels because all readers of their layer normalize it. Their exact gradient is 0; the
 * rounding noise of the batch sum remains, and an optimizer that normalizes gradients would follow it.
 */
export function findCanceledBiases(graph: Graph): ReadonlySet<Parameter> {
  const hasOtherReader = new Set<Value>([...graph.predictions.values()]);
  for (const value of graph.values)
    if (value.op !== 'batchNorm') for (const operand of listOperands(value)) hasOtherReader.add(operand);
  return new Set(
    graph.values.flatMap((value) =>
      value.op === 'linear' && value.bias !== undefined && !hasOtherReader.has(value) ? [value.bias] : [],
    ),
  );
}
