import { z } from 'zod';
import type { Component } from '../core/component.js';

/** Optimizer state per weight, or per row of a table. */
export interface Slot {
  readonly name: string;
  readonly per: 'weight' | 'row';
  readonly first: number;
}

/**
 * An update rule for dense weights and for the touched rows of a table. All of its state is in the slots. Kernels apply
 * it.
 */
export interface Optimizer {
  /** In storage order after the weights: slots per weight, then slots per row. */
  readonly slots: readonly Slot[];
  /** Base learning rate; a schedule scales it. */
  readonly learningRate: number;
  /** Added to the gradient before the rule is applied: λ₁ sign(w) + λ₂ w. */
  readonly penalties: { readonly l1: number; readonly l2: number };
  /** Returns the constants of step `step`, which starts at 1, in the order in which the rule's kernels read them. */
  constants(step: number, learningRate: number): readonly number[];
}

/**
 * Scope of an update: a single weight; a whole tensor (a row, for a table); or a table row, which dense weights do not
 * have.
 */
export type Unit = 'weight' | 'tensor' | 'row';

/** A registered optimizer with the name prefix of its kernels. */
export interface OptimizerPart<
  Name extends string,
  Kernel extends string,
  Of extends Unit,
  Shape extends z.ZodRawShape,
> extends Component<Name, Shape, [], Optimizer> {
  readonly kernel: Kernel;
  readonly unit: Of;
  /** Minimum and maximum usual learning rate for models like these; outside it, a run prints a warning. */
  readonly plausibleRates: readonly [number, number];
  /** For a row-wise rule: the optimizer to suggest for dense weights. */
  readonly denseInstead?: string;
}

/** Declares an optimizer; the identity function, for type inference. */
export function defineOptimizer<
  const Name extends string,
  const Kernel extends string,
  const Of extends Unit,
  Shape extends z.ZodRawShape,
>(optimizer: OptimizerPart<Name, Kernel, Of, Shape>): OptimizerPart<Name, Kernel, Of, Shape> {
  return optimizer;
}

/** Creates the option `learningRate` with the default of a rule. */
export const learningRateOption = (value: number) =>
  z.number().positive().default(value).describe("Learning rate before the schedule's factor");

/** Creates the option `epsilon`. A much smaller value underflows in single precision. */
export const epsilonOption = (value: number) =>
  z.number().min(1e-30).default(value).describe('Term added to the denominator for numerical stability');

export const commonOptions = {
  learningRate: learningRateOption(0.001),
  weightDecay: z.number().min(0).default(0).describe('L2 penalty, added to the gradient'),
  l1: z.number().min(0).default(0).describe('L1 penalty, added to the gradient as l1 × sign(weight)'),
};

/** Returns the number of state elements for a row of `width` weights. */
export function countSlotElements({ slots }: Optimizer, width: number): number {
  return slots.reduce((sum, { per }) => sum + (per === 'row' ? 1 : width), 0);
}
