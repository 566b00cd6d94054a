import type { z } from 'zod';
import type { ValidationIssue, Component } from '../core/component.js';

/** What a weighting may look at. Losses and gradients are the terms' own, without the config's weights. */
export interface Seen {
  readonly losses: readonly number[];
  /**
   * T × T, row by row, where `needs` is 'gramian': the products of the terms' gradients on what they share, tables
   * included. Sum them in doubles: methods ask which of them are dependent.
   */
  readonly gramian: Float64Array | undefined;
  /** Losses of the same batch by the weights after the step, where `needs` is 'change'. */
  readonly lossesAfter?: readonly number[];
  /** Counted from 1. */
  readonly step: number;
  readonly epoch: number;
}

/**
 * A rule that gives each step the weights of the terms of the loss. It has no memory but its state, which is plain
 * JSON, so
 * that a run that goes on from a checkpoint has the same weights to the bit.
 */
export interface Weighting<State extends object = object> {
  /**
   * When it is observed, and with what:
   * - 'losses': after a step that was taken; its weights are known before the step.
   * - 'gramian': within a step, with losses and Gramian, before `weights` are asked for.
   * - 'change': within a step with the losses, before `weights` are asked for, and once more with `lossesAfter` as well
   *   after a step that was taken.
   *
   * Where a step is refused, the state from before it goes on.
   */
  readonly needs: 'losses' | 'gramian' | 'change';
  /**
   * Whether its weights stay as they are first, whatever is observed: then nobody has to wait for what a step found.
   */
  readonly isConstant?: true;
  /** What is wrong with its options where the terms are called so; paths start at the options. */
  checkTerms?(names: readonly string[]): Iterable<ValidationIssue>;
  /**
   * The state before the first step.
   * @param weights what the config gives the terms
   * @param names of the terms, in the same order
   */
  first(weights: readonly number[], seed: number, names: readonly string[]): State;
  observe(state: State, seen: Seen): State;
  weights(state: State): readonly number[];
  /** Of the state as a section of a checkpoint; the version goes up where the schema changes. */
  readonly stateVersion: number;
  readonly stateSchema: z.ZodType<State>;
}

/**
 * Declares a weighting. What is not finite never enters its state: neither what it sees nor what it makes of that, for
 * a
 * state is JSON, and one such number would spoil every step after it.
 */
export function defineWeighting<const Name extends string, Shape extends z.ZodRawShape, State extends object>(
  weighting: Component<Name, Shape, [], Weighting<State>>,
): Component<Name, Shape, [], Weighting> {
  return { ...weighting, build: (options) => guarded(weighting.build(options)) };
}

function guarded<State extends object>(weighting: Weighting<State>): Weighting<State> {
  return {
    ...weighting,
    observe(state, seen) {
      const numbers = [...seen.losses, ...(seen.gramian ?? []), ...(seen.lossesAfter ?? [])];
      if (!numbers.every(Number.isFinite)) return state;
      const next = weighting.observe(state, seen);
      // zod's numbers are finite.
      return weighting.stateSchema.safeParse(next).success && weighting.weights(next).every(Number.isFinite)
        ? next
        : state;
    },
  };
}
