import type { Task } from '../../core/tasks.js';
import type { ContinuedState, ServedState, StateTensors } from '../../io/saved-state.js';
import type { StoredTensor } from '../../io/safetensors.js';
import type { CounterPlan } from '../counters/counter-plan.js';
import type { HistoryPlan } from '../histories/history-plan.js';
import type { JoinOptions } from '../join-options.js';
import type { DataOptions } from '../options.js';
import type { FindStart } from '../streams/followed-counters.js';
import type { RowState } from '../streams/row-state.js';

/** What a config states of the rows that later ones see. */
export interface StatePlans {
  readonly counters: CounterPlan | undefined;
  readonly histories: readonly HistoryPlan[];
  /** Undefined for the rows of one stream. */
  readonly join: JoinOptions | undefined;
}

/** How the state of a stream begins. */
export interface StateOrigin {
  /** Tensors of the state in a checkpoint that is resumed; undefined for a new run. */
  readonly tensors?: ReadonlyMap<string, StoredTensor> | undefined;
  /** File of the tensors, for errors. */
  readonly file?: string | undefined;
  /** Finds the counters of the run to start from; default: counters begin at zero. */
  readonly findStart?: FindStart | undefined;
}

/** How the changes in deltas continue the state of a full checkpoint. */
export interface StoredForm {
  /** Deltas whose changes are read: all, or the last one with changes, if these contain the earlier ones. */
  readonly reads: 'all' | 'last';
  /** @throws Error if the state is invalid */
  continue(full: StateTensors): ContinuedState;
}

/** A kind of state in each of its places: the rows of a stream, checkpoints, and the rows of requests. */
export interface StateKind<Name extends string, Served extends ServedState> extends StoredForm {
  /** Begins or continues the state of a stream; returns undefined if the config has none. */
  follow(plans: StatePlans, origin: StateOrigin): RowState<Name> | undefined;
  /** Loads the state of a checkpoint for the rows of requests; returns undefined if these do not need it. */
  serve(tensors: StateTensors | undefined, data: DataOptions, tasks: readonly Task[]): Served | undefined;
}

/** Continues a state by a function, which returns the state after changes. */
export const continued =
  (after: (before: StateTensors, changes: StateTensors) => StateTensors): StoredForm['continue'] =>
  (state) => ({
    prepare(changes) {
      const next = after(state, changes);
      return () => void (state = next);
    },
    full: () => state,
  });
