import { z } from 'zod';
import type { Component } from '../core/component.js';

/** State of a schedule between steps, as JSON; usually empty. */
export type ScheduleState = Readonly<Record<string, number | null>>;

/** A factor of the configured learning rate per step. Pure: the caller stores the state. */
export interface Schedule<State extends ScheduleState = ScheduleState> {
  readonly stateSchema: z.ZodType<State>;
  /**
   * Returns the initial state.
   * @param trainingSteps length of training when the run begins; a run resumed for more epochs keeps its state
   */
  first(trainingSteps: number): State;
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

const nothing = z.strictObject({});

const lengthState = z.strictObject({ steps: z.int().min(1) });

/**
 * Creates a schedule that depends on the step and a length in steps.
 * @param steps the length; undefined uses the length of training when the run begins and stores it, so that resuming
 * for more epochs does not change the curve
 */
export function byLength(steps: number | undefined, factor: (step: number, steps: number) => number): Schedule {
  if (steps !== undefined) return byStep((step) => factor(step, steps));
  const schedule: Schedule<z.output<typeof lengthState>> = {
    stateSchema: lengthState,
    first: (trainingSteps) => ({ steps: trainingSteps }),
    factor: (step, state) => factor(step, state.steps),
  };
  return schedule;
}

/** Creates a schedule that depends on the step only. */
export function byStep(factor: (step: number) => number): Schedule<z.output<typeof nothing>> {
  return { stateSchema: nothing, first: () => ({}), factor };
}
