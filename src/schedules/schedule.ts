import { z } from 'zod';
import type { Component } from '../core/component.js';

/** What a schedule remembers between steps; JSON. Most remember nothing. */
export type ScheduleState = Readonly<Record<string, number | null>>;

/** What the learning rate of a config is multiplied by, step for step. It is pure: whoever asks keeps its state. */
export interface Schedule<State extends ScheduleState = ScheduleState> {
  readonly stateSchema: z.ZodType<State>;
  /**
   * @param trainingSteps the length of training when the run begins; one that goes on for more epochs keeps what it
   * remembers
   */
  first(trainingSteps: number): State;
  /** The factor of step `step`, counted from 0. */
  factor(step: number, state: State): number;
  /** Of one that looks at valid: measurements without progress until it changes the rate, and what is no progress. */
  readonly patience?: { readonly measurements: number; readonly minDelta: number };
  /**
   * What is remembered once valid was measured; missing where a schedule does not look at it.
   * @param monitored the value that chooses the best weights, null where it is not defined
   */
  observe?(state: State, monitored: number | null, goal: 'higher' | 'lower'): State;
}

/** Declares a schedule; the identity, for the sake of its types. */
export function defineSchedule<const Name extends string, Shape extends z.ZodRawShape, State extends ScheduleState>(
  schedule: Component<Name, Shape, [], Schedule<State>>,
): Component<Name, Shape, [], Schedule<State>> {
  return schedule;
}

const nothing = z.strictObject({});

const lengthState = z.strictObject({ steps: z.int().min(1) });

/**
 * Creates a schedule that follows from the number of the step and a length in steps.
 * @param steps the length; undefined takes that of the training when the run begins, and remembers it: more epochs bend
 * nothing
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

/** A schedule that follows from the number of the step alone. */
export function byStep(factor: (step: number) => number): Schedule<z.output<typeof nothing>> {
  return { stateSchema: nothing, first: () => ({}), factor };
}
