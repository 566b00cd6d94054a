import type { LossValue, Parameter, Value, ValueOf } from './operations.js';

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

/** How much each item of a sequence counts in the output of an encoder. */
export interface Attention {
  /** Name of the sequence. */
  readonly sequence: string;
  /** Name of the encoder, as in its parameters. */
  readonly encoder: string;
  /** Width 1; predictions are computed from it. */
  readonly weights: Value;
  /** For weights of selected items: the number of later items of the row, for each of them (width 1). */
  readonly positions?: Value | undefined;
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
  /** Attention of sequences, in config order. */
  readonly attention?: readonly Attention[];
}

/** Returns the values that an operation, or one with some attributes, reads, in the order of its attributes. */
export function listOperands(attributes: object): readonly Value[] {
  return Object.values(attributes)
    .flat()
    .filter(
      (attribute: unknown): attribute is Value =>
        typeof attribute === 'object' && attribute !== null && 'op' in attribute,
    );
}

/** Returns the readers of each value; undefined stands for one outside the operations: a prediction or a gate. */
export function listReaders({
  values,
  predictions,
  gates,
}: Pick<Graph, 'values' | 'predictions' | 'gates'>): ReadonlyMap<Value, readonly (Value | undefined)[]> {
  const readers = new Map<Value, (Value | undefined)[]>(values.map((value) => [value, []]));
  for (const value of values) for (const operand of listOperands(value)) readers.get(operand)?.push(value);
  const gateShares = [...(gates?.values() ?? [])].map(({ shares }) => shares);
  for (const value of [...predictions.values(), ...gateShares]) readers.get(value)?.push(undefined);
  return readers;
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
  const readers = listReaders(graph);
  const isNormalized = (value: Value): boolean =>
    readers
      .get(value)!
      .every((reader) => reader?.op === 'batchNorm' || (isBase(value, reader) && isNormalized(reader)));
  return new Set(
    graph.values.flatMap((value) =>
      (value.op === 'linear' || isCombined(value)) && value.bias !== undefined && isNormalized(value)
        ? [value.bias]
        : [],
    ),
  );
}

type CombinedValue = ValueOf<'combinedLinear'> | ValueOf<'scaledLinear'>;
const isCombined = (value: Value): value is CombinedValue =>
  value.op === 'combinedLinear' || value.op === 'scaledLinear';

/** Returns whether a reader adds a value to its own. */
const isBase = (value: Value, reader: Value | undefined): reader is CombinedValue =>
  reader !== undefined && isCombined(reader) && reader.base === value;
