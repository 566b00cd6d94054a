import type { z } from 'zod';
import type { GraphBuilder, LossOptions } from '../graph/builder.js';
import type { LossValue, Value } from '../graph/operations.js';
import type { Component } from '../core/component.js';
import type { LabelRange, Task } from '../core/tasks.js';

/** What a loss makes of the numbers that a tower says of each row. */
export interface TaskLoss {
  /** How many numbers these are. */
  readonly outputs: number;
  /** The column of the data that groups rows, where it compares them within groups: it is given these then. */
  readonly by?: string;
  /**
   * What is predicted, `[B, 1]`.
   * @param out `[B, outputs]`
   * @param task its name
   */
  predict(g: GraphBuilder, out: Value, task: string): Value;
  /**
   * The loss of each row, `[B, 1]`. The label is never differentiated.
   * @param groups `[B, 1]`: a number for each group, below 0 for a row that is in none
   */
  rows(g: GraphBuilder, out: Value, label: Value, groups?: Value): Value;
  /**
   * The mean of that over the rows that count, where one operation is both, or some rows have no part in it; of a
   * logit, it takes labels between 0 and 1 too.
   */
  mean?(g: GraphBuilder, out: Value, label: Value, counted: LossOptions, groups?: Value): LossValue;
  /** Of a regression: the one number of a tower with which the label's mean is predicted. */
  ofMean?(mean: number): number;
}

/** A loss as a part. */
export interface LossPart<Name extends string, Shape extends z.ZodRawShape> extends Component<
  Name,
  Shape,
  [],
  TaskLoss
> {
  /** The types of tasks that may take it. */
  readonly taskTypes: readonly Task['type'][];
  /**
   * What its numbers are: one logit of a probability, from which products of probabilities can be made; more numbers
   * that are a probability
   * together; a score whose sigmoid ranks and is no probability; or a number.
   */
  readonly says: 'logit' | 'probability' | 'score' | 'number';
  /** Labels that it can be computed of, where not all are; of a regression. */
  readonly range?: LabelRange;
  /** Whether a label may be scaled before it is compared: not where its size means something. */
  readonly takesScaling: boolean;
}

/** Declares a loss; the identity, for the sake of its types. */
export function defineLoss<const Name extends string, Shape extends z.ZodRawShape>(
  loss: LossPart<Name, Shape>,
): LossPart<Name, Shape> {
  return loss;
}

/** The mean of a loss over the rows that count. */
export function meanOf(g: GraphBuilder, loss: TaskLoss, out: Value, label: Value, counted: LossOptions): LossValue {
  return loss.mean?.(g, out, label, counted) ?? g.mean(loss.rows(g, out, label), counted);
}

/**
 * The same of a label that is a probability, and never differentiated: what the loss is on average where the label is 1
 * so often.
 */
export function meanOfSoft(g: GraphBuilder, loss: TaskLoss, out: Value, label: Value, counted: LossOptions): LossValue {
  // The log loss takes such labels as they are.
  if (loss.mean !== undefined) return loss.mean(g, out, label, counted);
  const soft = g.stopGradient(label);
  const ofLabel = (value: number): Value => loss.rows(g, out, g.affine(soft, 0, value));
  return g.mean(g.add(g.multiply(soft, ofLabel(1)), g.multiply(g.affine(soft, -1, 1), ofLabel(0))), counted);
}

/** The loss with the groups that it compares rows in. */
export function withGroups(loss: TaskLoss, groups: () => Value): TaskLoss {
  const { mean } = loss;
  return {
    ...loss,
    rows: (g, out, label) => loss.rows(g, out, label, groups()),
    ...(mean !== undefined && {
      mean: (g: GraphBuilder, out: Value, label: Value, counted: LossOptions) => mean(g, out, label, counted, groups()),
    }),
  };
}

/** The mean over those of the rows that count whose label is 1, of a loss that others have no part in. */
export function meanOfPositives(rows: TaskLoss['rows']): NonNullable<TaskLoss['mean']> {
  return (g, out, label, { mask, weights }, groups) =>
    g.mean(rows(g, out, label, groups), { mask: mask === undefined ? label : g.multiply(mask, label), weights });
}

/** A probability from its logit. */
export function probability(g: GraphBuilder, logit: Value, task: string): Value {
  return g.activation(logit, 'sigmoid', `${task}.probability`);
}

/** How far one number lies above another. */
export function above(g: GraphBuilder, a: Value, b: Value): Value {
  return g.add(a, g.affine(b, -1, 0));
}

/** How far what is predicted lies above the label. */
export function distance(g: GraphBuilder, prediction: Value, label: Value): Value {
  return above(g, prediction, g.stopGradient(label));
}

/** A logit turned so that it should be large: as it is where the label is 1, with the other sign where it is 0. */
export function margin(g: GraphBuilder, logit: Value, label: Value): Value {
  return g.multiply(logit, g.stopGradient(g.affine(label, 2, -1)));
}

/** A mean of what is 0 or more is not held to be nearer to the ends of its range before it was learned. */
const MIN_MEAN = 1e-6;

/** The logit of a mean from 0 to 1. */
export function computeLogit(mean: number): number {
  const p = Math.min(Math.max(mean, MIN_MEAN), 1 - MIN_MEAN);
  return Math.log(p / (1 - p));
}

/** The logarithm of a mean of 0 or more. */
export function computeLog(mean: number): number {
  return Math.log(Math.max(mean, MIN_MEAN));
}
