import type { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import type { LossOptions } from '../graph/loss-options.js';
import type { Features } from '../graph/features.js';
import type { Graph, Term } from '../graph/graph.js';
import type { Value } from '../graph/operations.js';
import type { ValidationIssue, OptionsOf, Component } from '../core/component.js';
import { buildMean, type TaskLoss } from '../losses/loss.js';
import type { Task } from '../core/tasks.js';

/** A task with its label and the rows that count in its loss. */
export interface ModelTask extends Task {
  readonly taskLoss: TaskLoss;
  readonly labelValue: Value;
  /** Rows where the task is defined, with their weights. */
  readonly counted: LossOptions;
  /** Rows for a loss over all rows of the task's chain: those where the label of the chain's end is known. */
  readonly countedInChain: LossOptions;
  /**
   * Initial bias of a head over the rows where the task is defined: the mean prediction then equals the mean label of
   * the training set. Undefined: randomly initialized.
   */
  readonly firstBias: number | undefined;
  /** Initial bias of a head over all rows of the chain. */
  readonly firstBiasInChain: number | undefined;
  /** Contribution of the wide part to the head's outputs; undefined without a wide part. */
  readonly wide: Value | undefined;
}

/** Input of a model: the features of the whole config. Components select theirs with `selectGroups`. */
export interface ModelContext extends Features {
  readonly g: GraphBuilder;
  readonly tasks: readonly ModelTask[];
}

/** Result of a model: predictions per task, loss terms, and gates if there are any. */
export type ModelOutput = Pick<Graph, 'predictions' | 'terms' | 'gates'>;

/** A registered model with its requirements on the tasks. */
export interface ModelPart<Name extends string, Shape extends z.ZodRawShape> extends Component<
  Name,
  Shape,
  [ModelContext],
  ModelOutput
> {
  /** Validates the tasks, and options that name tasks; paths start at the config's root. */
  checkTasks?(tasks: readonly Task[], options: OptionsOf<Shape>): Iterable<ValidationIssue>;
  /** Names the parts of every field's embedding, if the model requires several. */
  embeddingParts?(options: OptionsOf<Shape>, tasks: readonly string[]): readonly string[];
}

/** Declares a model; the identity function, for type inference. */
export function defineModel<const Name extends string, Shape extends z.ZodRawShape>(
  model: ModelPart<Name, Shape>,
): ModelPart<Name, Shape> {
  return model;
}

/**
 * Builds the last layer of a task's tower, with as many outputs as its loss requires, and adds the wide part. Every
 * model predicts through it.
 * @param name of the tower
 * @param firstBias initial bias; undefined: randomly initialized
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

/** Builds the loss term of a task from the outputs of its tower, over the rows that count. */
export function buildLossTerm(
  g: GraphBuilder,
  task: ModelTask,
  out: Value,
  counted: LossOptions = task.counted,
  name = task.name,
): Term {
  return { name, weight: task.weight, loss: buildMean(g, task.taskLoss, out, task.labelValue, counted) };
}

/** Builds the prediction and the loss term of a task from the outputs of its tower. */
export function buildHead(
  g: GraphBuilder,
  task: ModelTask,
  out: Value,
): { readonly prediction: Value; readonly term: Term } {
  return { prediction: task.taskLoss.predict(g, out, task.name), term: buildLossTerm(g, task, out) };
}
