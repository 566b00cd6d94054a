import type { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import type { Features } from '../graph/features.js';
import type { Gate, Graph } from '../graph/graph.js';
import type { Value } from '../graph/operations.js';
import type { ValidationIssue, OptionsOf, Component } from '../core/component.js';

/**
 * What shared layers are built from. `input` holds the embeddings and numbers of the features side by side in the order
 * of the
 * config, as far as the key `input` of the YAML gives them; `fields` says which columns are whose, and `fieldValues`
 * (`src/graph/features.ts`) gives them one by one. Layers some of whose parts read other groups take them with
 * `ofGroups`.
 */
export interface BottomContext extends Features {
  readonly g: GraphBuilder;
  /** Names of the tasks, in the order of the config. */
  readonly tasks: readonly string[];
}

/** What towers stand on, and the gates that let it through where there are some. */
export interface BottomOutput extends Pick<Graph, 'gates'> {
  /** By task. */
  readonly outputs: ReadonlyMap<string, Value>;
}

/** Shared layers as a part: what lies between the features and the towers of tasks. */
export interface BottomPart<Name extends string, Shape extends z.ZodRawShape> extends Component<
  Name,
  Shape,
  [BottomContext],
  BottomOutput
> {
  /**
   * What the parts of an embedding are for, by name, where it wants several of every field, each as wide as the config
   * says.
   * `embeddingPart` (`src/graph/features.ts`) gives one.
   * @param tasks names, in the order of the config
   */
  embeddingParts?(options: OptionsOf<Shape>, tasks: readonly string[]): readonly string[];
  /** What is wrong with options that name tasks; paths start at the options. */
  checkTasks?(options: OptionsOf<Shape>, tasks: readonly string[]): Iterable<ValidationIssue>;
}

/** Declares shared layers; the identity, for the sake of their types. */
export function defineBottom<const Name extends string, Shape extends z.ZodRawShape>(
  bottom: BottomPart<Name, Shape>,
): BottomPart<Name, Shape> {
  return bottom;
}

/** The same value for every task. */
export function forAllTasks(tasks: readonly string[], value: Value): BottomOutput['outputs'] {
  return new Map(tasks.map((task) => [task, value]));
}

/** Named experts and the gates that choose among them. */
export interface Experts {
  readonly names: readonly string[];
  readonly values: readonly Value[];
}

/** Experts of several units, one after the other. */
export function joinedExperts(experts: readonly Experts[]): Experts {
  return { names: experts.flatMap(({ names }) => names), values: experts.flatMap(({ values }) => values) };
}

/**
 * A gate's mixture of experts: linear, batch norm where it is wished, softmax, and the sum of what experts say by these
 * shares.
 * @param name of the gate's parameters
 */
export function gated(
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
