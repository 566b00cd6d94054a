import type { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import type { LossOptions } from '../graph/loss-options.js';
import type { LossValue, Value } from '../graph/operations.js';
import type { Component } from '../core/component.js';
import type { LabelRange, Task } from '../core/tasks.js';

/** A loss, defined on the outputs of a tower. */
export interface TaskLoss {
  /** Number of tower outputs per row. */
  readonly outputs: number;
  /** Group column, if the loss compares rows within groups; the loss then receives the groups. */
  readonly groupBy?: string;
  /**
   * Computes the prediction, `[B, 1]`.
   * @param out `[B, outputs]`
   * @param task name of the task
   */
  predict(g: GraphBuilder, out: Value, task: string): Value;
  /**
   * Computes the loss per row, `[B, 1]`. The label is never differentiated.
   * @param groups `[B, 1]`: a number per group, negative for a row without a group
   */
  rows(g: GraphBuilder, out: Value, label: Value, groups?: Value): Value;
  /**
   * Computes the mean over the rows that count, if one operation does both or if only some rows contribute. For a
   * logit, it also accepts labels between 0 and 1.
   */
  mean?(g: GraphBuilder, out: Value, label: Value, options: LossOptions, groups?: Value): LossValue;
  /** For regressions: returns the tower output whose prediction is `mean`. */
  outputForMean?(mean: number): number;
}

export interface LossPart<Name extends string, Shape extends z.ZodRawShape> extends Component<
  Name,
  Shape,
  [],
  TaskLoss
> {
  /** Task types that the loss supports. */
  readonly taskTypes: readonly Task['type'][];
  /**
   * Meaning of the tower's outputs: one logit of a probability (products of probabilities require it); several outputs
   * that define a probability; a score whose sigmoid ranks but is not a probability; or a number.
   */
  readonly outputKind: 'logit' | 'probability' | 'score' | 'number';
  /** Labels for which the loss is defined, if not all; for regressions. */
  readonly range?: LabelRange;
  /** Whether labels may be scaled; false if their magnitude has a meaning. */
  readonly takesScaling: boolean;
  /** Objective of LightGBM that corresponds to the loss of a regression; default: squared error. */
  readonly treeObjective?: string;
}

/** Declares a loss; the identity function, for type inference. */
export function defineLoss<const Name extends string, Shape extends z.ZodRawShape>(
  loss: LossPart<Name, Shape>,
): LossPart<Name, Shape> {
  return loss;
}

/** Computes the mean of a loss over the rows that count. */
export function buildMean(g: GraphBuilder, loss: TaskLoss, out: Value, label: Value, options: LossOptions): LossValue {
  return loss.mean?.(g, out, label, options) ?? g.mean(loss.rows(g, out, label), options);
}

/**
 * Computes the mean of a loss for labels that are probabilities: the expected loss of a binary label. The label is
 * never differentiated.
 */
export function buildSoftMean(
  g: GraphBuilder,
  loss: TaskLoss,
  out: Value,
  label: Value,
  options: LossOptions,
): LossValue {
  // The log loss accepts such labels directly.
  if (loss.mean !== undefined) return loss.mean(g, out, label, options);
  const soft = g.stopGradient(label);
  const lossForLabel = (value: number): Value => loss.rows(g, out, g.affine(soft, 0, value));
  return g.mean(g.add(g.multiply(soft, lossForLabel(1)), g.multiply(g.affine(soft, -1, 1), lossForLabel(0))), options);
}

/** Binds the groups within which a loss compares rows. */
export function withGroups(loss: TaskLoss, groups: () => Value): TaskLoss {
  const { mean } = loss;
  return {
    ...loss,
    rows: (g, out, label) => loss.rows(g, out, label, groups()),
    ...(mean !== undefined && {
      mean: (g: GraphBuilder, out: Value, label: Value, options: LossOptions) => mean(g, out, label, options, groups()),
    }),
  };
}

/** Returns the mean of a loss over the rows of label 1 that count. */
export function meanOverPositives(rows: TaskLoss['rows']): NonNullable<TaskLoss['mean']> {
  return (g, out, label, { mask, weights }, groups) =>
    g.mean(rows(g, out, label, groups), { mask: mask === undefined ? label : g.multiply(mask, label), weights });
}

/** Converts a logit to a probability. */
export function probability(g: GraphBuilder, logit: Value, task: string): Value {
  return g.activation(logit, 'sigmoid', `${task}.probability`);
}

/** Computes a - b. */
export function subtract(g: GraphBuilder, a: Value, b: Value): Value {
  return g.add(a, g.affine(b, -1, 0));
}

/** Computes prediction - label. */
export function distance(g: GraphBuilder, prediction: Value, label: Value): Value {
  return subtract(g, prediction, g.stopGradient(label));
}

/** Computes the margin: the logit if the label is 1, the negated logit if it is 0. */
export function margin(g: GraphBuilder, logit: Value, label: Value): Value {
  return g.multiply(logit, g.stopGradient(g.affine(label, 2, -1)));
}

/** Means are clamped to this distance from 0 and 1, so that initial biases stay finite. */
const MIN_MEAN = 1e-6;

/** Computes the logit of a mean between 0 and 1. */
export function computeLogit(mean: number): number {
  const p = Math.min(Math.max(mean, MIN_MEAN), 1 - MIN_MEAN);
  return Math.log(p / (1 - p));
}

/** Computes the logarithm of a nonnegative mean. */
export function computeLog(mean: number): number {
  return Math.log(Math.max(mean, MIN_MEAN));
}
