import type { z } from 'zod';
import type { Part } from '../part.js';

/**
 * Applies one step's rule to `length` weights from `offset` on, in place; the slots lie beside the weights, the gradient
 * has an offset of its own.
 */
export type Update = (
  weights: Float32Array,
  slots: readonly Float32Array[],
  offset: number,
  gradient: Float32Array,
  gradientOffset: number,
  length: number,
) => void;

/** A rule that serves dense weights and the touched rows of a table alike; all its memory is in the slots. */
export interface Optimizer {
  /** Names of the numbers kept for every weight; they start at 0. */
  readonly slots: readonly string[];
  /** The update of step `step`, counted from 1. */
  at(step: number): Update;
  /** The constants of that step in the order in which the rule's kernel reads them. */
  constantsAt(step: number): readonly number[];
}

/** Declares an optimizer; the identity, for the sake of its types. */
export function defineOptimizer<const Name extends string, Shape extends z.ZodRawShape>(
  optimizer: Part<Name, Shape, [], Optimizer>,
): Part<Name, Shape, [], Optimizer> {
  return optimizer;
}
