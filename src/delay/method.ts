import type { z } from 'zod';
import type { Component } from '../core/component.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/operations.js';

/** Predictions of sums and quotients stay below 1, so that log losses are finite. */
export const MAX_PREDICTION = 1 - 2 ** -20;

/** A row of the log, as it is trained at one time. */
export interface Sample {
  /** Time from the click to the training, in milliseconds. */
  readonly afterMs: number;
  /** Label that is known at this time. */
  readonly label: 0 | 1;
  /** Values of the method's columns, in their order. */
  readonly values: readonly number[];
}

/** A delayed conversion with resolved options. */
export interface DelayMethod {
  /** Columns of a sample besides its label. */
  readonly columns: readonly string[];
  /** Values of the sample columns for a row whose final label is known, for evaluation. */
  readonly settled: readonly number[];
  /** Number of tower outputs: the logit of the conversion, then auxiliary outputs. */
  readonly outputs: number;
  /**
   * Returns the samples of a row in order of time. Those up to a time are the same for all conversions after it.
   * @param delayMs time from the click to the conversion, in milliseconds; undefined for none within the window
   */
  samples(delayMs: number | undefined): readonly Sample[];
  /**
   * Computes the loss per sample, `[B, 1]`. Label and columns are constants; loss weights are never differentiated.
   * @param out `[B, outputs]`
   * @param columns `[B, 1]` each
   */
  rows(g: GraphBuilder, out: Value, label: Value, columns: readonly Value[]): Value;
  /** Computes the prediction, `[B, 1]`; default: the sigmoid of the first output. */
  predict?(g: GraphBuilder, out: Value): Value;
}

/** A registered method for delayed labels. */
export type DelayPart<Name extends string, Shape extends z.ZodRawShape> = Component<
  Name,
  Shape,
  [windowMs: number],
  DelayMethod
>;

/** Declares a method; the identity function, for type inference. */
export function defineDelay<const Name extends string, Shape extends z.ZodRawShape>(
  part: DelayPart<Name, Shape>,
): DelayPart<Name, Shape> {
  return part;
}

/** Returns column `index` of the outputs of a tower. */
export function outputAt(g: GraphBuilder, out: Value, index: number): Value {
  return out.width === 1 ? out : g.slice(out, index, 1);
}

/** Computes the probability of a logit as a constant, for a loss weight. */
export function constantProbability(g: GraphBuilder, logit: Value, name: string): Value {
  return g.stopGradient(g.activation(logit, 'sigmoid', name));
}

/** Computes -log p of a logit, weighted. */
export function positiveLoss(g: GraphBuilder, logit: Value, weight: Value): Value {
  return g.multiply(g.map(g.affine(logit, -1, 0), 'softplus'), weight);
}

/** Computes -log(1 - p) of a logit, weighted. */
export function negativeLoss(g: GraphBuilder, logit: Value, weight: Value): Value {
  return g.multiply(g.map(logit, 'softplus'), weight);
}

/** Computes 1 - x. */
export function complement(g: GraphBuilder, x: Value): Value {
  return g.affine(x, -1, 1);
}

/** Computes the loss of a binary label: `positive` where it is 1, else `negative`. */
export function byLabel(g: GraphBuilder, label: Value, positive: Value, negative: Value): Value {
  return g.add(g.multiply(positive, label), g.multiply(negative, complement(g, label)));
}
