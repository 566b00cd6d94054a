import { ROW_STATES, type RowStateName } from '../data/states/row-states.js';
import { continued, type StoredForm } from '../data/states/state-kind.js';
import type { StateTensors } from '../io/saved-state.js';
import { appendWindow } from '../training/window-rows.js';

export type StateName = RowStateName | 'window';

/**
 * What a checkpoint has of earlier rows beside weights, vocabularies and scales, each in a file of its name (`FILES`):
 * counters of earlier events before training and after each split, the events of a stream that its rows see, and the
 * rows of the current window of a stream.
 */
export const STATES: Readonly<Record<StateName, StoredForm>> = {
  ...ROW_STATES,
  window: { reads: 'all', continue: continued(appendWindow) },
};

export const STATE_NAMES = Object.keys(STATES) as readonly StateName[];

/** States by name; a run lacks those that it does not need. */
export type States = { readonly [Name in StateName]?: StateTensors | undefined };

/** Changes of states since a checkpoint; changes of growing vocabularies, `growth`, are part of what is fitted. */
export type StateChanges = { readonly [Name in StateName | 'growth']?: StateTensors | undefined };
