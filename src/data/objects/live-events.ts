import type { EventStore } from '../../features/event-store.js';
import type { StoredEvents } from '../../features/stored-events.js';
import type { EventSource, EventSources } from './event-source.js';
import type { FoundHistories, HistoryQueries } from './given-histories.js';
import { storeFinder } from './store-source.js';

/** Events of a stream in a checkpoint, and how rows find theirs. */
export interface StreamLog extends Omit<EventSource, 'find'> {
  readonly store: EventStore;
}

/** Events of a trained model, by log, from those of its checkpoint. They change with the events of deltas alone. */
export class LiveEvents {
  readonly #logs: ReadonlyMap<string, StreamLog>;
  /** For rows of this thread. */
  readonly sources: EventSources;

  constructor(logs: ReadonlyMap<string, StreamLog>) {
    this.#logs = logs;
    this.sources = new Map(
      Array.from(logs, ([name, { key, until, isClocked, store }]) => [
        name,
        { key, until, isClocked, find: storeFinder(name, store) },
      ]),
    );
  }

  /** For rows of other threads. Plain data. */
  get remoteSources(): EventSources {
    return new Map(Array.from(this.sources, ([name, { key, until, isClocked }]) => [name, { key, until, isClocked }]));
  }

  /** Finds the events of rows of another thread. */
  find(queries: HistoryQueries): FoundHistories {
    return new Map(Array.from(queries, ([name, query]) => [name, this.sources.get(name)!.find!(query)]));
  }

  /**
   * Adds the events of a delta.
   * @throws Error if they do not follow those so far
   */
  append(changes: ReadonlyMap<string, StoredEvents>): void {
    for (const [name, events] of changes) this.#logs.get(name)!.store.append(events);
  }
}
