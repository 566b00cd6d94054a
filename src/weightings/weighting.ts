import type { z } from 'zod';
import type { ValidationIssue, Component } from '../core/component.js';

/** Measurements of a step. Losses and gradients exclude the config's weights. */
export interface Observation {
  readonly losses: readonly number[];
  /**
   * Row-major T × T dot products of the terms' gradients over the shared parameters, including tables, if `needs` is
   * 'gramian'. Summed in double precision, because methods test for linear dependence.
   */
  readonly gramian: Float64Array | undefined;
  /** Losses of the same batch after the step, if `needs` is 'change'. */
  readonly lossesAfter?: readonly number[];
  /** Number of the step, from 1. */
  readonly step: number;
  readonly epoch: number;
}

/**
 * A rule that computes the weights of the loss terms for each step. Its state is plain JSON, so that a resumed run has
 * bitwise identical weights.
 */
export interface Weighting<State extends object = object> {
  /**
   * When it is observed, and with what:
   * - 'losses': after a step that was taken; its weights are known before the step.
   * - 'current': within a step with the losses, before `weights` is called; costs one more forward pass.
   * - 'gramian': within a step, with losses and Gramian, before `weights` is called.
   * - 'change': as 'current', and again with `lossesAfter` after a step that was taken.
   *
   * If a step is skipped, the state from before it is restored.
   */
  readonly needs: 'losses' | 'current' | 'gramian' | 'change';
  /** Whether the weights never change; the loop then does not wait for the losses of a step. */
  readonly isConstant?: true;
  /** Validates options against the names of the terms; paths are relative to the options. */
  checkTerms?(names: readonly string[]): Iterable<ValidationIssue>;
  /**
   * Returns the state before the first step.
   * @param weights the config's weights of the terms
   * @param names of the terms, in the same order
   */
  first(weights: readonly number[], seed: number, names: readonly string[]): State;
  observe(state: State, observation: Observation): State;
  weights(state: State): readonly number[];
  /** Version of the state in checkpoints; increment it when the schema changes. */
  readonly stateVersion: number;
  readonly stateSchema: z.ZodType<State>;
}

/**
 * Declares a weighting. Guards its state against non-finite numbers: an observation or a result with one is ignored,
 * since it would spoil every later step and JSON cannot store it.
 */
export function defineWeighting<const Name extends string, Shape extends z.ZodRawShape, State extends object>(
  weighting: Component<Name, Shape, [], Weighting<State>>,
): Component<Name, Shape, [], Weighting> {
  return { ...weighting, build: (options) => guarded(weighting.build(options)) };
}

function guarded<State extends object>(weighting: Weighting<State>): Weighting<State> {
  return {
    ...weighting,
    observe(state, observation) {
      const numbers = [...observation.losses, ...(observation.gramian ?? []), ...(observation.lossesAfter ?? [])];
      if (!numbers.every(Number.isFinite)) return state;
      const next = weighting.observe(state, observation);
      // zod rejects non-finite numbers.
      return weighting.stateSchema.safeParse(next).success && weighting.weights(next).every(Number.isFinite)
        ? next
        : state;
    },
  };
}
