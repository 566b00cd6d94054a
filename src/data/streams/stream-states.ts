import type { CounterPlan } from '../counters/counter-plan.js';
import { splitStates } from '../counters/counter-start.js';
import type { HistoryPlan } from '../histories/history-plan.js';
import type { JoinOptions } from '../join-options.js';
import type { RowState } from './row-state.js';
import type { StoredTensor } from '../../io/safetensors.js';
import { locateTensors } from '../../io/named-tensor.js';
import { FollowedCounters, type FindStart } from './followed-counters.js';
import { FollowedHistories } from './followed-histories.js';

/** What a config states of the rows that later ones see. */
export interface StatePlans {
  readonly counters: CounterPlan | undefined;
  readonly histories: readonly HistoryPlan[];
  /** Undefined for the rows of one stream. */
  readonly join: JoinOptions | undefined;
}

interface StateOrigin {
  /** Tensors of the state in a checkpoint that is resumed; undefined for a new run. */
  readonly tensors?: ReadonlyMap<string, StoredTensor> | undefined;
  /** File of the tensors, for errors. */
  readonly file?: string | undefined;
  /** Finds the counters of the run to start from; default: counters begin at zero. */
  readonly findStart?: FindStart | undefined;
}

/** Opens a kind of state; returns undefined if the config has none. */
type OpenState<Name extends string> = (plans: StatePlans, origin: StateOrigin) => RowState<Name> | undefined;

/** All kinds of state that the rows of a stream have, by their names in checkpoints. */
const STREAM_STATES = {
  counters: ({ counters }, { tensors, findStart }) => {
    if (counters === undefined) return undefined;
    return tensors === undefined
      ? new FollowedCounters(counters, findStart)
      : FollowedCounters.resume(counters, splitStates(tensors));
  },
  histories: ({ histories, join }, { tensors }) =>
    histories.length === 0 ? undefined : new FollowedHistories(histories, join, tensors),
} satisfies { readonly [Name in string]: OpenState<Name> };

export type StreamStateName = keyof typeof STREAM_STATES;

/**
 * Opens the states of a config in the order in which rows are extended.
 * @param originOf returns how a state begins; default: before the first row
 * @throws UserError (checkpoint) for tensors that are invalid
 */
export function openStreamStates(
  plans: StatePlans,
  originOf: (name: StreamStateName) => StateOrigin = () => ({}),
): readonly RowState<StreamStateName>[] {
  const names = Object.keys(STREAM_STATES) as readonly StreamStateName[];
  return names.flatMap((name) => {
    const origin = originOf(name);
    return locateTensors(origin, () => STREAM_STATES[name](plans, origin)) ?? [];
  });
}
