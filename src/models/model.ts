import type { z } from 'zod';
import type { GraphBuilder, LossOptions } from '../graph/builder.js';
import type { Features } from '../graph/features.js';
import type { Graph, Term } from '../graph/graph.js';
import type { Value } from '../graph/operations.js';
import type { ValidationIssue, OptionsOf, Component } from '../core/component.js';
import { meanOf, type TaskLoss } from '../losses/loss.js';
import type { Task } from '../core/tasks.js';

/** A task as a model meets it: with its label, and how its rows count. */
export interface ModelTask extends Task {
  /** What `loss` names, built. */
  readonly taskLoss: TaskLoss;
  readonly labelValue: Value;
  /** What its loss counts: the rows where it is defined, each with its weight. */
  readonly counted: LossOptions;
  /**
   * What a loss counts that is over all rows, of the chain of what the task is given: those where the chain's end is
   * known.
   */
  readonly countedInChain: LossOptions;
  /**
   * The first bias of a head that tells the label where the task is defined: with it the mean prediction is that of
   * train. Drawn where it is undefined.
   */
  readonly firstBias: number | undefined;
  /** The same for a head that tells it over all rows, of the chain. */
  readonly firstBiasInChain: number | undefined;
  /** What the wide part adds to the numbers that its head says; nothing where there is none. */
  readonly wide: Value | undefined;
}

/**
 * What a model is built from: the features are those of the whole config, of which its parts take what they are given
 * with `ofGroups`.
 */
export interface ModelContext extends Features {
  readonly g: GraphBuilder;
  readonly tasks: readonly ModelTask[];
}

/** What a model gives back: predictions by task, the terms of its loss, and its gates where it has some. */
export type ModelOutput = Pick<Graph, 'predictions' | 'terms' | 'gates'>;

/** A model as a part: with what it asks of the tasks. */
export interface ModelPart<Name extends string, Shape extends z.ZodRawShape> extends Component<
  Name,
  Shape,
  [ModelContext],
  ModelOutput
> {
  /** What is wrong with these tasks, or with options that name them; paths start at the config's root. */
  checkTasks?(tasks: readonly Task[], options: OptionsOf<Shape>): Iterable<ValidationIssue>;
  /** As of shared layers: what the parts of an embedding are for, by name, where it wants several of every field. */
  embeddingParts?(options: OptionsOf<Shape>, tasks: readonly string[]): readonly string[];
}

/** Declares a model; the identity, for the sake of its types. */
export function defineModel<const Name extends string, Shape extends z.ZodRawShape>(
  model: ModelPart<Name, Shape>,
): ModelPart<Name, Shape> {
  return model;
}

/**
 * The last layer of a task's tower: as many numbers as its loss takes, to which the wide part adds its own. Every model
 * reads
 * what it predicts of a task off this.
 * @param name of the tower
 * @param firstBias of these numbers; drawn where it is undefined
 */
export function buildOutputLayer(
  g: GraphBuilder,
  task: ModelTask,
  x: Value,
  name: string,
  firstBias: number | undefined,
): Value {
  const out = g.linear(x, task.taskLoss.outputs, `${name}.out`, { firstBias });
  return task.wide === undefined ? out : g.add(out, task.wide);
}

/** The term of a task's loss of the numbers that a tower says, over the rows that count. */
export function buildLossTerm(
  g: GraphBuilder,
  task: ModelTask,
  out: Value,
  counted: LossOptions = task.counted,
  name = task.name,
): Term {
  return { name, weight: task.weight, loss: meanOf(g, task.taskLoss, out, task.labelValue, counted) };
}

/** The prediction and the term that a task's loss makes of the numbers that a tower says. */
export function buildHead(
  g: GraphBuilder,
  task: ModelTask,
  out: Value,
): { readonly prediction: Value; readonly term: Term } {
  return { prediction: task.taskLoss.predict(g, out, task.name), term: buildLossTerm(g, task, out) };
}
