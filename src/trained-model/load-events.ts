import { join } from 'node:path';
import { storedExperiment } from '../config/stored.js';
import { LiveEvents, type StreamLog } from '../data/objects/live-events.js';
import { rowHistories } from '../data/sequence-options.js';
import { areUnixSeconds } from '../features/event-log.js';
import { EventStore } from '../features/event-store.js';
import type { StoredEvents } from '../features/stored-events.js';
import { splitHistories } from '../features/stored-histories.js';
import { readChainHistories, readHistoryChanges } from '../runs/checkpoint-tensors.js';
import { listDeltasSince, readChain } from '../runs/delta.js';
import { FILES, readText } from '../runs/manifest.js';

/**
 * Loads the events of a checkpoint of a stream; undefined if it has none.
 * @param folder checkpoint
 * @throws UserError (checkpoint) for a missing or invalid file
 */
export async function loadEvents(folder: string): Promise<LiveEvents | undefined> {
  const chain = await readChain(folder);
  const histories = await readChainHistories(chain);
  if (histories.size === 0) return undefined;
  const config = await readText(folder, FILES.config, chain.files);
  const options = rowHistories(storedExperiment(config, join(folder, FILES.config)).data.sequences);
  const logs = Array.from(splitHistories(histories), ([name, events]): [string, StreamLog] => {
    const { key, until } = options[name]!;
    return [name, { key, until, isClocked: areUnixSeconds(events.times), store: EventStore.of(name, events) }];
  });
  return new LiveEvents(new Map(logs));
}

/** Events of the deltas from one checkpoint to a later one. */
export interface EventChanges {
  /** In order, by log. */
  readonly changes: readonly ReadonlyMap<string, StoredEvents>[];
  /** Digest of the manifest of the later checkpoint. */
  readonly sha256: string;
}

/**
 * Reads the events of the deltas from one checkpoint to a later one; undefined if the later one must be read whole.
 * @param sha256 digest of the manifest of the earlier one
 * @param folder directory of the later one
 * @throws UserError (checkpoint) for a missing or invalid file
 */
export async function readEventChanges(sha256: string, folder: string): Promise<EventChanges | undefined> {
  const deltas = await listDeltasSince(sha256, folder);
  if (deltas === undefined) return undefined;
  const changes: ReadonlyMap<string, StoredEvents>[] = [];
  for (const delta of deltas) changes.push((await readHistoryChanges(delta, splitHistories)) ?? new Map());
  return { changes, sha256: deltas.at(-1)?.sha256 ?? sha256 };
}
