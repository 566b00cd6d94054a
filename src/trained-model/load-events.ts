import { join } from 'node:path';
import { storedExperiment } from '../config/stored.js';
import { LiveEvents, type EventChanges, type StreamLog } from '../data/objects/live-events.js';
import { rowHistories } from '../data/sequence-options.js';
import { areUnixSeconds } from '../features/event-log.js';
import { EventStore } from '../features/event-store.js';
import { splitHistories } from '../features/stored-histories.js';
import { readChanges } from '../runs/checkpoint-tensors.js';
import { readCheckpointState } from '../runs/checkpoint.js';
import { FILES, type CheckpointFolder } from '../runs/manifest.js';

/**
 * Loads the events of a checkpoint of a stream; undefined if it has none.
 * @param folder checkpoint
 * @throws UserError (checkpoint) for a missing or invalid file
 */
export async function loadEvents(folder: string): Promise<LiveEvents | undefined> {
  const { config, state } = await readCheckpointState(folder, 'histories');
  if (state === undefined) return undefined;
  const options = rowHistories(storedExperiment(config, join(folder, FILES.config)).data.sequences);
  const logs = Array.from(splitHistories(state), ([name, events]): [string, StreamLog] => {
    const { key, until } = options[name]!;
    return [name, { key, until, isClocked: areUnixSeconds(events.times), store: EventStore.of(name, events) }];
  });
  return new LiveEvents(new Map(logs));
}

/**
 * Reads the events of a delta; undefined if it has none.
 * @param events of the checkpoint before it
 * @throws UserError (checkpoint) for a missing or invalid file, or events that do not follow those so far
 */
export function readEventChanges(events: LiveEvents, delta: CheckpointFolder): Promise<EventChanges | undefined> {
  return readChanges(delta, 'histories', (tensors) => {
    const changes = splitHistories(tensors);
    events.assertNext(changes);
    return changes;
  });
}
