import { join } from 'node:path';
import { listTasks } from '../config/experiment.js';
import { storedExperiment } from '../config/stored.js';
import { userError, type UserError } from '../core/errors.js';
import { ROW_STATES, type RowStateName, type ServedStates } from '../data/states/row-states.js';
import { readCheckpointStates } from '../runs/checkpoint.js';
import { FILES } from '../runs/manifest.js';

/**
 * Loads states of a checkpoint for the rows of requests.
 * @param folder checkpoint
 * @throws UserError (checkpoint) for a missing or invalid file
 */
export async function loadStates<Name extends RowStateName>(
  folder: string,
  names: readonly Name[],
): Promise<Pick<ServedStates, Name>> {
  const { config, states } = await readCheckpointStates(folder, names);
  const experiment = storedExperiment(config, join(folder, FILES.config));
  const tasks = listTasks(experiment);
  const loaded = names.map((name) => [name, ROW_STATES[name].serve(states[name], experiment.data, tasks)] as const);
  return Object.fromEntries(loaded) as Pick<ServedStates, Name>;
}

/** Creates the error of events for a model without counters. */
export function noCounters(where: string): UserError {
  return userError('data', { where, message: 'the model has no counters', fix: 'train it with data.counters' });
}
