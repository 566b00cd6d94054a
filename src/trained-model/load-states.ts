import { join } from 'node:path';
import { listTasks, type Experiment } from '../config/experiment.js';
import { storedExperiment } from '../config/stored.js';
import { userError, type UserError } from '../core/errors.js';
import { CounterPlan } from '../data/counters/counter-plan.js';
import { splitStates } from '../data/counters/counter-start.js';
import { LiveCounters } from '../data/counters/live-counters.js';
import { LiveEvents, type StreamLog } from '../data/objects/live-events.js';
import { rowHistories } from '../data/sequence-options.js';
import { areUnixSeconds } from '../features/event-log.js';
import { EventStore } from '../features/event-store.js';
import { splitHistories } from '../features/stored-histories.js';
import type { StateTensors } from '../io/saved-state.js';
import { readCheckpointStates } from '../runs/checkpoint.js';
import { FILES } from '../runs/manifest.js';

/** States that rows of requests see, by their names in checkpoints; a model lacks those that it does not need. */
export interface ServedStates {
  /** Counters after the latest data. */
  readonly counters: LiveCounters | undefined;
  /** Events of a stream. */
  readonly histories: LiveEvents | undefined;
}

/** Name of a state that rows of requests see. */
export type StateName = keyof ServedStates;

type Load<State> = (experiment: Experiment, tensors: StateTensors | undefined) => State;

const LOADERS: { readonly [Name in StateName]: Load<ServedStates[Name]> } = {
  counters(experiment, tensors) {
    const plan = CounterPlan.of(experiment.data, listTasks(experiment));
    return plan && new LiveCounters(plan, splitStates(tensors), experiment.data.decimal);
  },
  histories({ data }, tensors) {
    if (tensors === undefined) return undefined;
    const options = rowHistories(data.sequences);
    const logs = Array.from(splitHistories(tensors), ([name, events]): [string, StreamLog] => {
      const { key, until } = options[name]!;
      return [name, { key, until, isClocked: areUnixSeconds(events.times), store: EventStore.of(name, events) }];
    });
    return new LiveEvents(new Map(logs));
  },
};

/** Names of all states that rows of requests see, in the order in which rows receive their values. */
export const STATE_NAMES = Object.keys(LOADERS) as readonly StateName[];

/**
 * Loads states of a checkpoint.
 * @param folder checkpoint
 * @throws UserError (checkpoint) for a missing or invalid file
 */
export async function loadStates<Name extends StateName>(
  folder: string,
  names: readonly Name[],
): Promise<Pick<ServedStates, Name>> {
  const { config, states } = await readCheckpointStates(folder, names);
  const experiment = storedExperiment(config, join(folder, FILES.config));
  const loaded = names.map((name) => [name, LOADERS[name](experiment, states[name])] as const);
  return Object.fromEntries(loaded) as unknown as Pick<ServedStates, Name>;
}

/** Creates the error of events for a model without counters. */
export function noCounters(where: string): UserError {
  return userError('data', { where, message: 'the model has no counters', fix: 'train it with data.counters' });
}
