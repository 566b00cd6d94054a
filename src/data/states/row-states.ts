import { locateTensors } from '../../io/named-tensor.js';
import type { RowState } from '../streams/row-state.js';
import { counters } from './counters.js';
import { histories } from './histories.js';
import type { StateOrigin, StatePlans } from './state-kind.js';

/**
 * What earlier rows leave behind for later ones, by the names in checkpoints, in the order in which rows are extended.
 */
export const ROW_STATES = { counters, histories };

export type RowStateName = keyof typeof ROW_STATES;
export const ROW_STATE_NAMES = Object.keys(ROW_STATES) as readonly RowStateName[];

/** States that rows of requests see; a model lacks those that it does not need. */
export type ServedStates = { readonly [Name in RowStateName]: ReturnType<(typeof ROW_STATES)[Name]['serve']> };

/**
 * Opens the states of a config for the rows of a stream.
 * @param originOf returns how a state begins; default: before the first row
 * @throws UserError (checkpoint) for tensors that are invalid
 */
export function followStates(
  plans: StatePlans,
  originOf: (name: RowStateName) => StateOrigin = () => ({}),
): readonly RowState<RowStateName>[] {
  return ROW_STATE_NAMES.flatMap((name) => {
    const origin = originOf(name);
    return (
      locateTensors<RowState<RowStateName> | undefined>(origin, () => ROW_STATES[name].follow(plans, origin)) ?? []
    );
  });
}
