import { z } from 'zod';
import type { Component } from '../core/component.js';
import { toSteps, type Length, type TrainingLength } from './options.js';

/** State of a schedule between steps, as JSON; usually empty. */
export type ScheduleState = Readonly<Record<string, number | null>>;

/** A factor of the configured learning rate per step. Pure: the caller stores the state. */
export interface Schedule<State extends ScheduleState = ScheduleState> {
  /** Schema of each value of the state. */
  readonly stateShape: { readonly [Key in keyof State]: z.ZodType<State[Key]> };
  /**
   * Returns the initial state.
   * @param training length of training when the run begins; a run resumed for more epochs keeps its state
   */
  first(training: TrainingLength): State;
  /** Returns the factor of step `step`, which starts at 0. */
  factor(step: number, state: State): number;
  /** If it reads validation results: measurements without improvement before a change, and the minimum improvement. */
  readonly patience?: { readonly measurements: number; readonly minDelta: number };
  /**
   * Returns the state after a validation; undefined if the schedule does not read validation results.
   * @param monitored the value that selects the best weights, null if undefined
   */
  observe?(state: State, monitored: number | null, goal: 'higher' | 'lower'): State;
}

/** Declares a schedule; the identity function, for type inference. */
export function defineSchedule<const Name extends string, Shape extends z.ZodRawShape, State extends ScheduleState>(
  schedule: Component<Name, Shape, [], Schedule<State>>,
): Component<Name, Shape, [], Schedule<State>> {
  return schedule;
}

/**
 * Creates a schedule that depends on the step and a length in steps. The state holds a relative length as steps, so
 * that resuming for more epochs does not change the curve.
 */
export function byLength(length: Length, factor: (step: number, steps: number) => number): Schedule {
  if (typeof length === 'number') return byStep((step) => factor(step, length));
  const schedule: Schedule<{ readonly steps: number }> = {
    stateShape: { steps: z.int().min(1) },
    first: (training) => ({ steps: toSteps(length, training) }),
    factor: (step, { steps }) => factor(step, steps),
  };
  return schedule;
}

/** Creates a schedule that depends on the step only. */
export function byStep(factor: (step: number) => number): Schedule<Readonly<Record<string, never>>> {
  return { stateShape: {}, first: () => ({}), factor };
}
