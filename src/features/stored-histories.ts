import { locateTensors } from '../io/named-tensor.js';
import type { StoredTensor } from '../io/safetensors.js';
import { eventsOfTensors, eventTensors, type StoredEvents } from './stored-events.js';

/** Events of several logs, as tensors whose names begin with the name of the log. */
export type HistoryTensors = ReadonlyMap<string, StoredTensor>;

/** Converts the events of logs to tensors. */
export function joinHistories(logs: Iterable<readonly [name: string, events: StoredEvents]>): HistoryTensors {
  return new Map(
    [...logs].flatMap(([name, events]) =>
      Array.from(eventTensors(events), ([tensor, data]) => [`${name}.${tensor}`, data] as const),
    ),
  );
}

/**
 * Converts tensors to the events of logs, by name.
 * @throws UserError (checkpoint) if they are invalid
 */
export function splitHistories(tensors: HistoryTensors): ReadonlyMap<string, StoredEvents> {
  const logs = new Map<string, Map<string, StoredTensor>>();
  for (const [name, tensor] of tensors) {
    // Names of logs have no dot.
    const dot = name.indexOf('.');
    const log = logs.get(name.slice(0, dot)) ?? new Map<string, StoredTensor>();
    logs.set(name.slice(0, dot), log.set(name.slice(dot + 1), tensor));
  }
  return new Map(
    Array.from(logs, ([name, own]) => [name, locateTensors({ prefix: `${name}.` }, () => eventsOfTensors(own))]),
  );
}
