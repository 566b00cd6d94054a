import { z } from 'zod';
import type { Component } from '../core/component.js';

/** A number that a rule keeps: for every weight, or for every row of a table. */
export interface Slot {
  readonly name: string;
  readonly per: 'weight' | 'row';
  /** Its value before the first step. */
  readonly first: number;
}

/**
 * A rule that serves dense weights and the touched rows of a table alike; all its memory is in the slots. Kernels apply
 * it.
 */
export interface Optimizer {
  /** In the order in which they lie behind the weights: those per weight, then those per row. */
  readonly slots: readonly Slot[];
  /** Of the first step; a schedule changes it. */
  readonly learningRate: number;
  /** Added to the gradient before the rule sees it: λ₁ sign(w) + λ₂ w. */
  readonly penalties: { readonly l1: number; readonly l2: number };
  /** The constants of step `step`, counted from 1, in the order in which the rule's kernels read them. */
  constants(step: number, learningRate: number): readonly number[];
}

/**
 * What a rule looks at to move a weight: that one alone; the whole tensor it is in, which in a table is its row; or its
 * row, which
 * dense weights have none of.
 */
export type Unit = 'weight' | 'tensor' | 'row';

/** An optimizer as a part: with the name that its kernels begin with. */
export interface OptimizerPart<
  Name extends string,
  Kernel extends string,
  Of extends Unit,
  Shape extends z.ZodRawShape,
> extends Component<Name, Shape, [], Optimizer> {
  readonly kernel: Kernel;
  readonly unit: Of;
  /** Learning rates from the least to the largest that models like these train with; beyond them a run says so. */
  readonly plausibleRates: readonly [number, number];
  /** Of a rule by rows: what dense weights may have in its place. */
  readonly denseInstead?: string;
}

/** Declares an optimizer; the identity, for the sake of its types. */
export function defineOptimizer<
  const Name extends string,
  const Kernel extends string,
  const Of extends Unit,
  Shape extends z.ZodRawShape,
>(optimizer: OptimizerPart<Name, Kernel, Of, Shape>): OptimizerPart<Name, Kernel, Of, Shape> {
  return optimizer;
}

/** The learning rate of a rule that another one suits by default than most. */
export const learningRateOption = (value: number) =>
  z.number().positive().default(value).describe("Learning rate before the schedule's factor");

/** What keeps a division finite. Much less than its least is 0 in single precision. */
export const epsilonOption = (value: number) =>
  z.number().min(1e-30).default(value).describe('Term added to the denominator for numerical stability');

/** Options that most rules share. */
export const commonOptions = {
  learningRate: learningRateOption(0.001),
  weightDecay: z.number().min(0).default(0).describe('L2 penalty, added to the gradient'),
  l1: z.number().min(0).default(0).describe('L1 penalty, added to the gradient as l1 × sign(weight)'),
};

/** Numbers that a rule keeps for a row of so many weights. */
export function slotWords({ slots }: Optimizer, width: number): number {
  return slots.reduce((sum, { per }) => sum + (per === 'row' ? 1 : width), 0);
}
