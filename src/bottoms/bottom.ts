import type { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import type { Features } from '../graph/features.js';
import type { Gate, Graph } from '../graph/graph.js';
import type { Value } from '../graph/operations.js';
import type { ValidationIssue, OptionsOf, Component } from '../core/component.js';

/**
 * Input of shared layers. `input` concatenates the embeddings and numbers of the features in config order, limited to
 * the groups of the option `input`. `fields` gives the columns of each field, and `fieldValues`
 * (`src/graph/features.ts`) separate values. Layers that read other groups select them with `selectGroups`.
 */
export interface BottomContext extends Features {
  readonly g: GraphBuilder;
  /** Names of the tasks, in config order. */
  readonly tasks: readonly string[];
}

/** Consecutive columns of the output that predict the tasks on their own, with a tower per stream. */
export interface Stream {
  readonly name: string;
  readonly width: number;
}

/** Streams whose mean prediction is distilled into each of them. */
export interface Streams {
  /** In the order of the columns, which they cover. */
  readonly streams: readonly Stream[];
  /** Weight of each stream's loss, relative to the loss of the task. */
  readonly weight: number;
}

/** Input of the towers, and gates if there are any. */
export interface BottomOutput extends Pick<Graph, 'gates'> {
  /** One value per task. */
  readonly outputs: ReadonlyMap<string, Value>;
  /** Streams of every output; default: a task has one tower, which reads all columns. */
  readonly streams?: Streams | undefined;
}

/** Registered shared layers: everything between the features and the towers. */
export interface BottomPart<Name extends string, Shape extends z.ZodRawShape> extends Component<
  Name,
  Shape,
  [BottomContext],
  BottomOutput
> {
  /**
   * Names the parts of every field's embedding, if the layers require several, each of the configured width.
   * `embeddingPart` (`src/graph/features.ts`) selects one.
   * @param tasks names, in config order
   */
  embeddingParts?(options: OptionsOf<Shape>, tasks: readonly string[]): readonly string[];
  /** Whether outputs have streams; default: never. */
  hasStreams?(options: OptionsOf<Shape>): boolean;
  /** Validates options that name tasks; paths are relative to the options. */
  checkTasks?(options: OptionsOf<Shape>, tasks: readonly string[]): Iterable<ValidationIssue>;
}

/** Declares shared layers; the identity function, for type inference. */
export function defineBottom<const Name extends string, Shape extends z.ZodRawShape>(
  bottom: BottomPart<Name, Shape>,
): BottomPart<Name, Shape> {
  return bottom;
}

/** Maps every task to the same value. */
export function forAllTasks(tasks: readonly string[], value: Value): BottomOutput['outputs'] {
  return new Map(tasks.map((task) => [task, value]));
}

/** Experts and their names. */
export interface Experts {
  readonly names: readonly string[];
  readonly values: readonly Value[];
}

/** Concatenates the experts of several units. */
export function concatExperts(experts: readonly Experts[]): Experts {
  return { names: experts.flatMap(({ names }) => names), values: experts.flatMap(({ values }) => values) };
}

/**
 * Builds a gate and its mixture of experts: linear, optional batch norm, softmax, weighted sum.
 * @param name of the gate's parameters
 */
export function buildGate(
  g: GraphBuilder,
  x: Value,
  { names, values }: Experts,
  options: { readonly batchNorm: boolean },
  name: string,
): { readonly gate: Gate; readonly mixture: Value } {
  const scores = g.linear(x, names.length, name);
  const shares = g.softmax(options.batchNorm ? g.batchNorm(scores, `${name}.norm`) : scores);
  return { gate: { shares, experts: names }, mixture: g.mixture(shares, values) };
}
