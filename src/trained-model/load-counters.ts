import { join } from 'node:path';
import { listTasks } from '../config/experiment.js';
import { storedExperiment } from '../config/stored.js';
import { userError, type UserError } from '../core/errors.js';
import { CounterPlan } from '../data/counters/counter-plan.js';
import { splitStates } from '../data/counters/counter-start.js';
import { LiveCounters } from '../data/counters/live-counters.js';
import { readChanges } from '../runs/checkpoint-tensors.js';
import { readCheckpointState } from '../runs/checkpoint.js';
import { FILES, type CheckpointFolder } from '../runs/manifest.js';

/**
 * Loads the counters of a checkpoint, after its latest data; undefined if its model has none.
 * @param folder checkpoint
 * @throws UserError (checkpoint) for a missing or invalid file
 */
export async function loadCounters(folder: string): Promise<LiveCounters | undefined> {
  const { config, state } = await readCheckpointState(folder, 'counters');
  const experiment = storedExperiment(config, join(folder, FILES.config));
  const plan = CounterPlan.of(experiment.data, listTasks(experiment));
  return plan && new LiveCounters(plan, splitStates(state), experiment.data.decimal);
}

/**
 * Reads the counters after a delta; undefined if it does not change them.
 * @param counters of the same config
 * @throws UserError (checkpoint) for a missing or invalid file
 */
export function readCounterChanges(counters: LiveCounters, delta: CheckpointFolder): Promise<LiveCounters | undefined> {
  return readChanges(delta, 'counters', (tensors) => counters.startAt(splitStates(tensors)));
}

/** Creates the error of events for a model without counters. */
export function noCounters(where: string): UserError {
  return userError('data', { where, message: 'the model has no counters', fix: 'train it with data.counters' });
}
