import { MergedHistories } from '../features/stored-histories.js';
import type { StateTensors } from '../io/saved-state.js';
import { appendWindow } from '../training/window-rows.js';

/** A state of a full checkpoint, which the changes of the deltas after it continue. */
interface ContinuedState {
  /** @throws Error if the changes are invalid, or do not follow the state */
  apply(changes: StateTensors): void;
  /** Returns the state after the changes so far. */
  full(): StateTensors;
}

/** How the changes in deltas continue the state of a full checkpoint. */
interface StateForm {
  /** Deltas whose changes are read: all, or the last one with changes, if these contain the earlier ones. */
  readonly reads: 'all' | 'last';
  /** @throws Error if the state is invalid */
  open(full: StateTensors): ContinuedState;
}

/** Continues a state by a function, which returns the state after changes. */
const continued =
  (after: (before: StateTensors, changes: StateTensors) => StateTensors) =>
  (state: StateTensors): ContinuedState => ({
    apply: (changes) => void (state = after(state, changes)),
    full: () => state,
  });

/**
 * What a checkpoint has of earlier rows beside weights, vocabularies and scales, each in a file of its name (`FILES`):
 * counters of earlier events before training and after each split, the rows of the current window of a stream, and the
 * events of a stream that its rows see.
 */
export const STATES = {
  counters: { reads: 'last', open: continued((before, changes) => new Map([...before, ...changes])) },
  window: { reads: 'all', open: continued(appendWindow) },
  histories: { reads: 'all', open: (full) => new MergedHistories(full) },
} satisfies Readonly<Record<string, StateForm>> as Readonly<Record<'counters' | 'window' | 'histories', StateForm>>;

export type StateName = keyof typeof STATES;
export const STATE_NAMES = Object.keys(STATES) as readonly StateName[];

/** States by name; a run lacks those that it does not need. */
export type States = { readonly [Name in StateName]?: StateTensors | undefined };

/** Changes of states since a checkpoint; changes of growing vocabularies, `growth`, are part of what is fitted. */
export type StateChanges = { readonly [Name in StateName | 'growth']?: StateTensors | undefined };
